//! The priority levels and flow schemas that a cluster has from its first moment.
//!
//! Two of each are mandatory: they cannot be changed. The others are a suggestion.

use k8s_openapi::api::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, FlowDistinguisherMethod, FlowSchema, FlowSchemaSpec, GroupSubject, LimitResponse,
    LimitedPriorityLevelConfiguration, NonResourcePolicyRule, PolicyRulesWithSubjects, PriorityLevelConfiguration,
    PriorityLevelConfigurationReference, PriorityLevelConfigurationSpec, QueuingConfiguration, ResourcePolicyRule,
    ServiceAccountSubject, Subject, UserSubject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use api::well_known::SYSTEM_NAMESPACE;
use api::well_known::identity::{AUTHENTICATED, CONTROLLER_MANAGER, MASTERS, NODES, UNAUTHENTICATED};

use crate::kinds::flow_schema::EXEMPT;

const CATCH_ALL: &str = "catch-all";
const SCHEDULER: &str = "system:kube-scheduler";
const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// Says that the object follows the server's version, until somebody takes the annotation away.
const FOLLOWS_SERVER: &str = "apf.kubernetes.io/autoupdate-spec";
const BY_USER: Option<&str> = Some("ByUser");
const BY_NAMESPACE: Option<&str> = Some("ByNamespace");

pub fn levels() -> Vec<PriorityLevelConfiguration> {
    let queues = |queues, hand_size| Some((queues, hand_size));
    vec![
        exempt_level(),
        level(CATCH_ALL, 5, 0, None),
        level("system", 30, 33, queues(64, 6)),
        level("node-high", 40, 25, queues(64, 6)),
        level("leader-election", 10, 0, queues(16, 4)),
        level("workload-high", 40, 50, queues(128, 6)),
        level("workload-low", 100, 90, queues(128, 6)),
        level("global-default", 20, 50, queues(128, 6)),
    ]
}

pub fn schemas() -> Vec<FlowSchema> {
    let elections = || [resources(&["get", "create", "update"], "coordination.k8s.io", &["leases"], false)];
    let endpoints = |names: &[&str]| resources(&["get", "create", "update"], "", names, false);
    let of_nodes = [
        resources(&["*"], "", &["nodes", "nodes/status"], true),
        resources(&["*"], "coordination.k8s.io", &["leases"], false),
    ];
    vec![
        schema(EXEMPT, EXEMPT, 1, None, everything(groups(&[MASTERS]))),
        schema("probes", EXEMPT, 2, None, probes()),
        schema(
            "system-leader-election",
            "leader-election",
            100,
            BY_USER,
            only([users(&[CONTROLLER_MANAGER, SCHEDULER]), accounts(&["*"])].concat(), elections()),
        ),
        schema(
            "endpoint-controller",
            "workload-high",
            150,
            BY_USER,
            only(
                [users(&[CONTROLLER_MANAGER]), accounts(&["endpoint-controller", "endpointslicemirroring-controller"])]
                    .concat(),
                [endpoints(&["endpoints"])],
            ),
        ),
        schema(
            "workload-leader-election",
            "leader-election",
            200,
            BY_USER,
            only(accounts(&["*"]), [[endpoints(&["endpoints", "configmaps"])], elections()].concat()),
        ),
        schema("system-node-high", "node-high", 400, BY_USER, only(groups(&[NODES]), of_nodes)),
        schema("system-nodes", "system", 500, BY_USER, everything(groups(&[NODES]))),
        schema("kube-controller-manager", "workload-high", 800, BY_NAMESPACE, everything(users(&[CONTROLLER_MANAGER]))),
        schema("kube-scheduler", "workload-high", 800, BY_NAMESPACE, everything(users(&[SCHEDULER]))),
        schema("kube-system-service-accounts", "workload-high", 900, BY_NAMESPACE, everything(accounts(&["*"]))),
        schema("service-accounts", "workload-low", 9000, BY_USER, everything(groups(&[SERVICE_ACCOUNTS]))),
        schema("global-default", "global-default", 9900, BY_USER, everything(everybody())),
        schema(CATCH_ALL, CATCH_ALL, 10_000, BY_USER, everything(everybody())),
    ]
}

pub fn mandatory_level(name: &str) -> Option<PriorityLevelConfiguration> {
    match name {
        EXEMPT => Some(exempt_level()),
        CATCH_ALL => Some(level(CATCH_ALL, 5, 0, None)),
        _ => None,
    }
}

pub fn mandatory_schema(name: &str) -> Option<FlowSchema> {
    let is_mandatory = [EXEMPT, CATCH_ALL].contains(&name);
    schemas().into_iter().find(|schema| is_mandatory && schema.metadata.name.as_deref() == Some(name))
}

fn metadata(name: &str) -> ObjectMeta {
    let follows = (FOLLOWS_SERVER.to_owned(), "true".to_owned());
    ObjectMeta { name: Some(name.to_owned()), annotations: Some([follows].into()), ..ObjectMeta::default() }
}

fn exempt_level() -> PriorityLevelConfiguration {
    let exempt = ExemptPriorityLevelConfiguration { nominal_concurrency_shares: Some(0), lendable_percent: Some(0) };
    let spec = PriorityLevelConfigurationSpec { type_: "Exempt".to_owned(), exempt: Some(exempt), limited: None };
    PriorityLevelConfiguration { metadata: metadata(EXEMPT), spec: Some(spec), status: None }
}

/// Without queues, requests that are too many are refused.
fn level(name: &str, shares: i32, lendable: i32, queues: Option<(i32, i32)>) -> PriorityLevelConfiguration {
    let queuing = queues.map(|(queues, hand_size)| QueuingConfiguration {
        queues: Some(queues),
        hand_size: Some(hand_size),
        queue_length_limit: Some(50),
    });
    let type_ = if queuing.is_some() { "Queue" } else { "Reject" }.to_owned();
    let limited = LimitedPriorityLevelConfiguration {
        nominal_concurrency_shares: Some(shares),
        lendable_percent: Some(lendable),
        limit_response: Some(LimitResponse { type_, queuing }),
        borrowing_limit_percent: None,
    };
    let spec = PriorityLevelConfigurationSpec { type_: "Limited".to_owned(), limited: Some(limited), exempt: None };
    PriorityLevelConfiguration { metadata: metadata(name), spec: Some(spec), status: None }
}

fn schema(name: &str, level: &str, precedence: i32, method: Option<&str>, rule: PolicyRulesWithSubjects) -> FlowSchema {
    let spec = FlowSchemaSpec {
        priority_level_configuration: PriorityLevelConfigurationReference { name: level.to_owned() },
        matching_precedence: Some(precedence),
        distinguisher_method: method.map(|type_| FlowDistinguisherMethod { type_: type_.to_owned() }),
        rules: Some(vec![rule]),
    };
    FlowSchema { metadata: metadata(name), spec: Some(spec), status: None }
}

fn everything(subjects: Vec<Subject>) -> PolicyRulesWithSubjects {
    let all = || vec!["*".to_owned()];
    PolicyRulesWithSubjects {
        subjects,
        resource_rules: Some(vec![resources(&["*"], "*", &["*"], true)]),
        non_resource_rules: Some(vec![NonResourcePolicyRule { verbs: all(), non_resource_urls: all() }]),
    }
}

fn only(subjects: Vec<Subject>, rules: impl Into<Vec<ResourcePolicyRule>>) -> PolicyRulesWithSubjects {
    PolicyRulesWithSubjects { subjects, resource_rules: Some(rules.into()), non_resource_rules: None }
}

fn probes() -> PolicyRulesWithSubjects {
    let rule =
        NonResourcePolicyRule { verbs: texts(&["get"]), non_resource_urls: texts(&["/healthz", "/readyz", "/livez"]) };
    PolicyRulesWithSubjects { subjects: everybody(), resource_rules: None, non_resource_rules: Some(vec![rule]) }
}

fn resources(verbs: &[&str], group: &str, resources: &[&str], cluster_scope: bool) -> ResourcePolicyRule {
    ResourcePolicyRule {
        verbs: texts(verbs),
        api_groups: texts(&[group]),
        resources: texts(resources),
        namespaces: Some(texts(&["*"])),
        cluster_scope: cluster_scope.then_some(true),
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn everybody() -> Vec<Subject> {
    groups(&[UNAUTHENTICATED, AUTHENTICATED])
}

fn groups(names: &[&str]) -> Vec<Subject> {
    let group = |name: &&str| Some(GroupSubject { name: (*name).to_owned() });
    names.iter().map(|name| Subject { kind: "Group".to_owned(), group: group(name), ..Subject::default() }).collect()
}

fn users(names: &[&str]) -> Vec<Subject> {
    let user = |name: &&str| Some(UserSubject { name: (*name).to_owned() });
    names.iter().map(|name| Subject { kind: "User".to_owned(), user: user(name), ..Subject::default() }).collect()
}

/// ServiceAccounts of the system.
fn accounts(names: &[&str]) -> Vec<Subject> {
    let account =
        |name: &&str| Some(ServiceAccountSubject { name: (*name).to_owned(), namespace: SYSTEM_NAMESPACE.to_owned() });
    let subject =
        |name| Subject { kind: "ServiceAccount".to_owned(), service_account: account(name), ..Subject::default() };
    names.iter().map(subject).collect()
}
