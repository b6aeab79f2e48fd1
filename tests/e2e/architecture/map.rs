//! The map of the house: who may know whom, as ARCHITECTURE.md draws it.

/// What a crate or a room of one may name.
pub struct Place {
    pub name: &'static str,
    pub may_name: &'static [&'static str],
}

const fn place(name: &'static str, may_name: &'static [&'static str]) -> Place {
    Place { name, may_name }
}

/// The crates, and which others of ours each may depend on.
pub const CRATES: &[Place] = &[
    place("api", &[]),
    place("lifecycle", &[]),
    place("apiserver", &["api", "lifecycle"]),
    place("controller", &["api", "lifecycle"]),
    place("nodeagent", &["api", "lifecycle"]),
    place("cluster", &["api", "lifecycle", "apiserver", "controller", "nodeagent"]),
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

/// The rooms of a crate, its modules at the root, and which others each may name. The root itself only lists them.
pub const ROOMS: &[(&str, &[Place])] = &[
    (
        "apiserver",
        &[
            place("http", &["registry", "kinds", "context", "storage::object"]),
            place("registry", &["kinds", "admission", "storage", "context"]),
            place("kinds", &["context"]),
            place("admission", &["context"]),
            place("storage", &[]),
            place("context", &[]),
        ],
    ),
    ("controller", &[place("manager", &["controllers"]), place("controllers", &[])]),
    (
        "nodeagent",
        &[
            place("agent", &["events", "node", "pods", "proxy", "runtime", "volumes"]),
            place("node", &["runtime", "watching"]),
            place("pods", &["events", "runtime", "volumes", "watching"]),
            place("events", &[]),
            place("watching", &[]),
            place("runtime", &[]),
            place("volumes", &[]),
            place("proxy", &[]),
        ],
    ),
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
