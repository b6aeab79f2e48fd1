//! The map of the house: who may know whom, as ARCHITECTURE.md draws it.

/// A crate, and which others of ours it may depend on.
pub struct Place {
    pub name: &'static str,
    pub may_name: &'static [&'static str],
}

const fn place(name: &'static str, may_name: &'static [&'static str]) -> Place {
    Place { name, may_name }
}

/// The rooms of a crate: its modules at the root. The root itself only lists them.
pub struct House {
    pub name: &'static str,
    /// From top to bottom. A room may name those of lower floors, and none of its own.
    pub floors: &'static [&'static [&'static str]],
    /// Arrows downwards that are not wanted, with the module that is granted all the same, or nothing.
    pub closed: &'static [(&'static str, &'static str, &'static str)],
}

/// The crates, and which others of ours each may depend on.
pub const CRATES: &[Place] = &[
    place("api", &[]),
    place("lifecycle", &[]),
    place("client", &[]),
    place("apiserver", &["api", "lifecycle"]),
    place("controller", &["api", "client", "lifecycle"]),
    place("nodeagent", &["api", "client", "lifecycle"]),
    place("cluster", &["api", "client", "lifecycle", "apiserver", "controller", "nodeagent"]),
    place("cli", &["api", "lifecycle", "apiserver", "controller", "nodeagent", "cluster"]),
    place("tests", &["api", "lifecycle", "apiserver", "controller", "nodeagent", "cluster"]),
    // For any Kubernetes, and so without a line of ours.
    place("bench", &[]),
    place("xtask", &[]),
];

/// Crates of others that a crate of ours must do without.
pub const WITHOUT: &[(&str, &[&str])] = &[
    ("api", &["async-trait", "axum", "hyper", "kube", "reqwest", "rustls", "sled", "tokio", "tower"]),
    ("lifecycle", &["axum", "k8s-openapi", "kube", "reqwest", "sled"]),
    ("apiserver", &["kube"]),
    ("controller", &["axum", "hyper", "sled"]),
    ("nodeagent", &["sled"]),
];

pub const HOUSES: &[House] = &[
    House {
        name: "apiserver",
        floors: &[&["http", "upkeep"], &["registry"], &["admission"], &["kinds", "storage"], &["context"]],
        closed: &[("http", "storage", "storage::object"), ("http", "admission", "")],
    },
    House {
        name: "controller",
        floors: &[
            &["manager"],
            &["controllers"],
            &["scheduler"],
            &["context"],
            &["worker", "ownership", "expectations", "backends", "slices", "discovery"],
            &["events"],
            &["caches", "queue"],
            &["cluster"],
            &["kinds"],
            &["measure", "options"],
        ],
        closed: &[],
    },
    House {
        name: "nodeagent",
        floors: &[
            &["agent", "entry"],
            &["server", "tunnel"],
            &["pods", "proxy", "node"],
            &["logs"],
            &["runtime", "volumes"],
            &["references"],
            &["events", "folder_watch", "measures", "watching"],
        ],
        closed: &[("proxy", "runtime", ""), ("proxy", "volumes", "")],
    },
];

/// Names that belong to some places only: a crate, or a crate and a room.
pub struct Reserved {
    /// How the full path, or its end, begins.
    pub name: &'static str,
    pub places: &'static [&'static str],
    pub reason: &'static str,
}

pub const RESERVED: &[Reserved] = &[
    Reserved { name: "sled::", places: &["apiserver::storage"], reason: "only an engine knows how things are stored" },
    Reserved { name: "axum::", places: &["apiserver::http", "nodeagent", "cluster"], reason: "HTTP stays at the edge" },
    Reserved { name: "tokio::spawn", places: &["bench", "tests"], reason: "tasks start through `Tasks`, with a name" },
    Reserved {
        name: "tokio::task::spawn",
        places: &["bench", "tests"],
        reason: "tasks start through `Tasks`, with a name",
    },
    Reserved { name: "mpsc::unbounded_channel", places: &[], reason: "every channel is bounded" },
    Reserved {
        name: "SystemTime::now",
        places: &["lifecycle", "bench", "tests"],
        reason: "the time comes from `Clock`",
    },
    Reserved {
        name: "Timestamp::now",
        places: &["lifecycle", "bench", "tests"],
        reason: "the time comes from `Clock`",
    },
];
