//! Tests of the kinds that run pods: what they refuse, fill in and show.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{assert_refused, draft, merged, refusals, status_refusals, update_refusals};
use crate::kinds::table_tests::cells;

fn pod_template() -> Value {
    json!({"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "a", "image": "i:1"}]}})
}

/// A StatefulSet or a DaemonSet that is right, with a change to its spec.
fn set(change: Value) -> Value {
    let spec = json!({"selector": {"matchLabels": {"app": "w"}}, "template": pod_template()});
    json!({"metadata": {"name": "x"}, "spec": merged(spec, &change)})
}

fn job(change: Value) -> Value {
    let template = json!({"spec": {"containers": [{"name": "a", "image": "i:1"}], "restartPolicy": "Never"}});
    let metadata = json!({"name": "x", "uid": "u", "namespace": "default"});
    json!({"metadata": metadata, "spec": merged(json!({"template": template}), &change)})
}

fn cron(change: Value) -> Value {
    let spec = json!({"schedule": "@daily", "jobTemplate": {"spec": job(json!({}))["spec"]}});
    json!({"metadata": {"name": "x"}, "spec": merged(spec, &change)})
}

#[test]
fn a_daemon_set_replaces_its_pods_in_one_way() {
    let rolling = |unavailable: Value, surge: Value| json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}}});
    assert_refused(
        "DaemonSet",
        set,
        &[
            (rolling(json!(0), json!(1)), &[]),
            (
                rolling(json!(0), json!("0%")),
                &["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
            ),
            (
                rolling(json!(1), json!("101%")),
                &[
                    "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: \"101%\": must not be greater than 100%",
                    "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: \"101%\": may not be set when \
                 maxUnavailable is non-zero",
                ],
            ),
            (
                json!({"updateStrategy": {"type": "Sometimes"}}),
                &[
                    "spec.updateStrategy: Unsupported value: \"Sometimes\": supported values: \"RollingUpdate\", \"OnDelete\"",
                ],
            ),
            (
                json!({"template": {"metadata": {"labels": {"app": "v"}}}}),
                &[
                    "spec.template.metadata.labels: Invalid value: {\"app\":\"v\"}: `selector` does not match template `labels`",
                ],
            ),
            (
                json!({"minReadySeconds": -1}),
                &["spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"],
            ),
        ],
    );
    let other = json!({"selector": {"matchLabels": {"app": "v"}}, "template": {"metadata": {"labels": {"app": "v"}}}});
    assert_eq!(
        update_refusals("DaemonSet", set(json!({})), set(other)),
        ["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"v\"}}: field is immutable"]
    );
}

#[test]
fn a_daemon_set_counts_the_changes_of_its_template() {
    let generation = |draft: &dyn crate::kinds::erased::Draft| {
        draft.metadata().annotations.as_ref().unwrap()["deprecated.daemonset.template.generation"].clone()
    };
    let mut old = draft("DaemonSet", set(json!({})));
    old.before_create();
    assert_eq!(generation(&*old), "1");
    let mut same = draft("DaemonSet", set(json!({"minReadySeconds": 1})));
    same.before_update(&*old);
    assert_eq!(generation(&*same), "1");
    let mut new = draft("DaemonSet", set(json!({"template": {"spec": {"nodeName": "n"}}})));
    new.before_update(&*old);
    assert_eq!(generation(&*new), "2");
}

#[test]
fn a_stateful_set_is_complete_and_mostly_fixed() {
    let filled = draft("StatefulSet", set(json!({}))).to_value();
    let mut spec = filled["spec"].clone();
    spec.as_object_mut().unwrap().retain(|name, _| name != "template" && name != "selector");
    assert_eq!(
        spec,
        json!({"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady",
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1}}})
    );
    let claims = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}}]);
    let mounts = json!({"containers": [{"name": "a", "image": "i:1",
        "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]});
    assert_refused(
        "StatefulSet",
        set,
        &[
            (json!({"volumeClaimTemplates": claims, "template": {"spec": mounts}}), &[]),
            (
                json!({"template": {"spec": mounts}}),
                &["spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"data\""],
            ),
            (
                json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]}),
                &["spec.volumeClaimTemplates[0].spec.resources[storage]: Required value"],
            ),
            (
                json!({"podManagementPolicy": "Any", "serviceName": "a.b"}),
                &[
                    "spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'",
                    &format!("spec.serviceName: Invalid value: \"a.b\": {}", api::names::dns_label("a.b").unwrap_err()),
                ],
            ),
            (
                json!({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}}),
                &[
                    "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy \
               'RollingUpdate'",
                ],
            ),
            (
                json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "0%"}}}),
                &["spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": cannot be 0"],
            ),
            (
                json!({"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"}, "ordinals": {"start": -1}}),
                &[
                    "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"Keep\": supported values: \
                 \"Retain\", \"Delete\"",
                    "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0",
                ],
            ),
        ],
    );
    let changed = |change: Value| update_refusals("StatefulSet", set(json!({})), set(change));
    assert_eq!(changed(json!({"replicas": 3, "minReadySeconds": 5, "revisionHistoryLimit": 2})), [""; 0]);
    assert_eq!(
        changed(json!({"serviceName": "other"})),
        ["spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
          'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are \
          forbidden"]
    );
}

#[test]
fn a_replication_controller_takes_after_its_template() {
    let controller = |change: Value| json!({"metadata": {"name": "x"}, "spec": merged(json!({"template": pod_template()}), &change)});
    let filled = draft("ReplicationController", controller(json!({}))).to_value();
    assert_eq!(filled["spec"]["selector"], json!({"app": "w"}));
    assert_eq!((&filled["metadata"]["labels"], &filled["spec"]["replicas"]), (&json!({"app": "w"}), &json!(1)));
    assert_refused(
        "ReplicationController",
        controller,
        &[
            (
                json!({"selector": {"app": "v"}}),
                &[
                    "spec.template.metadata.labels: Invalid value: {\"app\":\"w\"}: `selector` does not match template `labels`",
                ],
            ),
            (json!({"template": {"metadata": null}}), &["spec.selector: Required value"]),
            (json!({"template": null}), &["spec.selector: Required value", "spec.template: Required value"]),
            (
                json!({"template": {"spec": {"restartPolicy": "Never", "activeDeadlineSeconds": 5}}}),
                &[
                    "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
                    "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is \
                 not Supported",
                ],
            ),
        ],
    );
}

#[test]
fn statuses_count_no_more_than_there_is() {
    for (kind, object) in [("StatefulSet", set(json!({}))), ("ReplicaSet", set(json!({})))] {
        let status = |status: Value| merged(object.clone(), &json!({"status": status}));
        assert_eq!(status_refusals(kind, object.clone(), status(json!({"replicas": 2, "readyReplicas": 2}))), [""; 0]);
        assert_eq!(
            status_refusals(kind, object.clone(), status(json!({"replicas": 1, "readyReplicas": 2})))[0],
            "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
        );
        let unready = status_refusals(kind, object.clone(), status(json!({"replicas": 1, "availableReplicas": 1})));
        assert!(
            unready[0].starts_with("status.availableReplicas: Invalid value: 1: cannot be greater than "),
            "{kind}"
        );
    }
    let collided = |count: i32| merged(set(json!({})), &json!({"status": {"collisionCount": count}}));
    assert_eq!(
        status_refusals("DaemonSet", collided(2), collided(1)),
        ["status.collisionCount: Invalid value: 1: cannot be decremented"]
    );
}

#[test]
fn a_job_is_given_its_selector_and_its_bounds() {
    let mut filled = draft("Job", job(json!({})));
    filled.before_create();
    let value = filled.to_value();
    let labels = json!({"batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u", "job-name": "x"});
    assert_eq!(value["spec"]["template"]["metadata"]["labels"], labels);
    let mut spec = value["spec"].clone();
    spec.as_object_mut().unwrap().remove("template");
    assert_eq!(
        spec,
        json!({"completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": false,
            "manualSelector": false, "podReplacementPolicy": "TerminatingOrFailed",
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}})
    );
    // Another generated name is tried: the labels go with it.
    filled.metadata_mut().name = Some("y".to_owned());
    filled.before_create();
    assert_eq!(filled.to_value()["spec"]["template"]["metadata"]["labels"]["job-name"], "y");
}

#[test]
fn a_job_must_be_able_to_end() {
    let indexed = |change: Value| merged(json!({"completionMode": "Indexed", "completions": 5}), &change);
    assert_refused(
        "Job",
        job,
        &[
            (
                json!({"template": {"spec": {"restartPolicy": null}}}),
                &["spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""],
            ),
            (json!({"parallelism": -1}), &["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"]),
            (
                json!({"completionMode": "Indexed", "parallelism": 1}),
                &["spec.completions: Required value: when completion mode is Indexed"],
            ),
            (
                json!({"completionMode": "Odd"}),
                &["spec.completionMode: Unsupported value: \"Odd\": supported values: \"Indexed\", \"NonIndexed\""],
            ),
            (
                json!({"backoffLimitPerIndex": 1}),
                &["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
            ),
            (
                indexed(json!({"maxFailedIndexes": 6, "backoffLimitPerIndex": 1})),
                &["spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions"],
            ),
            (
                indexed(json!({"successPolicy": {"rules": [{"succeededIndexes": "0-9", "succeededCount": 2}]}})),
                &[
                    "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"0-9\": error parsing succeededIndexes: \
                 too large index: \"9\"",
                    "spec.successPolicy.rules[0].succeededCount: Invalid value: 2: must be less than or equal to 0 (the number \
                 of indexes in the specified succeededIndexes field)",
                ],
            ),
            (
                json!({"managedBy": "me"}),
                &["spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path (such as \"acme.io/foo\")"],
            ),
            (
                json!({"podFailurePolicy": {"rules": [{"action": "Count"}, {"action": "Stop", "onExitCodes":
                {"operator": "In", "values": [2, 0], "containerName": "z"}}]}}),
                &[
                    "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is \
                 required",
                    "spec.podFailurePolicy.rules[1].action: Unsupported value: \"Stop\": supported values: \"Count\", \
                 \"FailIndex\", \"FailJob\", \"Ignore\"",
                    "spec.podFailurePolicy.rules[1].onExitCodes.containerName: Invalid value: \"z\": must be one of the \
                 container or initContainer names in the pod template",
                    "spec.podFailurePolicy.rules[1].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                    "spec.podFailurePolicy.rules[1].onExitCodes.values: Invalid value: [2,0]: must be ordered",
                ],
            ),
            (
                json!({"template": {"metadata": {"labels": {"job-name": "mine"}}}}),
                &[&format!(
                    "spec.template.metadata.labels[job-name]: Invalid value: {}: must be 'x'",
                    json!({"batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "x",
                    "controller-uid": "u", "job-name": "mine"})
                )],
            ),
        ],
    );
}

#[test]
fn a_job_that_has_begun_is_what_it_is() {
    /// As the server keeps it.
    fn kept(change: Value) -> Value {
        let mut draft = draft("Job", job(change));
        draft.before_create();
        draft.to_value()
    }
    let changed = |old: Value, new: Value| update_refusals("Job", old.clone(), merged(old, &json!({"spec": new})));
    assert_eq!(
        changed(kept(json!({})), json!({"parallelism": 3, "suspend": true, "activeDeadlineSeconds": 5})),
        [""; 0]
    );
    assert_eq!(
        changed(kept(json!({})), json!({"completions": 3})),
        ["spec.completions: Invalid value: 3: field is immutable"]
    );
    let moved = json!({"template": {"spec": {"nodeSelector": {"a": "b"}}}});
    assert!(changed(kept(json!({})), moved.clone())[0].starts_with("spec.template: Invalid value: {"));
    let suspended = kept(json!({"suspend": true}));
    let at = |status: Value| merged(suspended.clone(), &json!({"status": status}));
    let (start, stopped) = ("2026-01-01T00:00:00Z", json!([{"type": "Suspended", "status": "True"}]));
    let asks = json!({"template": {"spec": {"containers": [
        {"name": "a", "image": "i:1", "resources": {"requests": {"cpu": "1"}}}]}}});
    let other = json!({"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}});
    for (status, change, told) in [
        (json!({}), &moved, ""),
        (json!({}), &asks, ""),
        (json!({"startTime": start, "conditions": stopped}), &moved, ""),
        (json!({}), &other, "spec.template.spec: Invalid value: {"),
        (json!({"startTime": start}), &moved, "spec.template: Invalid value: {"),
        (json!({"active": 1}), &asks, "spec.template: Invalid value: {"),
    ] {
        let found = changed(at(status), change.clone());
        assert!(
            found.first().map_or(told.is_empty(), |found| !told.is_empty() && found.starts_with(told)),
            "{found:?}"
        );
    }
    let indexed = kept(json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2}));
    assert_eq!(changed(indexed.clone(), json!({"completions": 4, "parallelism": 4})), [""; 0]);
    assert_eq!(
        changed(indexed, json!({"completions": 4})),
        ["spec.completions: Invalid value: 4: can only be modified in tandem with spec.parallelism"]
    );
}

#[test]
fn a_job_ends_once_and_in_order() {
    let with = |status: Value| merged(job(json!({})), &json!({"status": status}));
    let conditions =
        |names: &[&str]| -> Value { names.iter().map(|name| json!({"type": name, "status": "True"})).collect() };
    let succeeded = |count: i32| json!({"status": {"succeeded": count}});
    let ended = |names: &[&str]| {
        let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z");
        with(json!({"startTime": start, "completionTime": end, "succeeded": 1, "conditions": conditions(names)}))
    };
    let complete = ended(&["SuccessCriteriaMet", "Complete"]);
    assert_eq!(status_refusals("Job", with(json!({})), complete.clone()), [""; 0]);
    assert_eq!(status_refusals("Job", complete.clone(), complete.clone()), [""; 0]);
    for (old, new, why) in [
        (
            with(json!({})),
            ended(&["Complete"]),
            "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true \
             condition",
        ),
        (
            with(json!({})),
            with(
                json!({"startTime": "2026-01-01T00:00:00Z", "conditions": conditions(&["SuccessCriteriaMet", "Complete"])}),
            ),
            "status.completionTime: Required value: completionTime is required for Complete jobs",
        ),
        (
            with(json!({})),
            with(
                json!({"startTime": "2026-01-01T00:00:00Z", "active": 1, "conditions": conditions(&["FailureTarget", "Failed"])}),
            ),
            "status.active: Invalid value: 1: active>0 is invalid for finished job",
        ),
        (
            complete.clone(),
            ended(&["SuccessCriteriaMet"]),
            "status.completionTime: Invalid value: \"2026-01-01T00:01:00Z\": cannot set completionTime when there is no \
             Complete=True condition",
        ),
        (
            complete.clone(),
            merged(complete.clone(), &json!({"status": {"completionTime": "2026-01-01T00:02:00Z"}})),
            "status.completionTime: Invalid value: \"2026-01-01T00:02:00Z\": field is immutable",
        ),
        (
            with(json!({})),
            merged(complete.clone(), &json!({"status": {"startTime": "2026-01-01T00:02:00Z"}})),
            "status.completionTime: Invalid value: \"2026-01-01T00:01:00Z\": must be equal to or after `startTime`",
        ),
        (
            with(json!({})),
            merged(complete.clone(), &json!({"status": {"uncountedTerminatedPods": {"failed": ["u"]}}})),
            "status.uncountedTerminatedPods: Invalid value: {\"failed\":[\"u\"]}: must be empty for finished job",
        ),
        (
            merged(job(json!({"completionMode": "Indexed", "completions": 3, "parallelism": 1})), &succeeded(2)),
            merged(job(json!({"completionMode": "Indexed", "completions": 3, "parallelism": 1})), &succeeded(1)),
            "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter",
        ),
        (
            with(json!({"failed": 3})),
            with(json!({"failed": 2})),
            "status.failed: Invalid value: 2: cannot decrease the failed counter",
        ),
        (
            with(json!({})),
            with(json!({"ready": 2, "active": 1})),
            "status.ready: Invalid value: 2: cannot set more ready pods than active",
        ),
    ] {
        let found = status_refusals("Job", old, new);
        assert!(found.iter().any(|found| found == why), "{found:?}");
    }
}

#[test]
fn a_cron_job_has_a_schedule_in_its_own_time() {
    assert_refused(
        "CronJob",
        cron,
        &[
            (json!({"timeZone": "Europe/Paris"}), &[]),
            (json!({"schedule": ""}), &["spec.schedule: Required value"]),
            (
                json!({"schedule": "61 * * * *"}),
                &["spec.schedule: Invalid value: \"61 * * * *\": end of range (61) above maximum (59): 61"],
            ),
            (
                json!({"schedule": "CRON_TZ=UTC * * * * *"}),
                &[
                    "spec.schedule: Invalid value: \"CRON_TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in schedule, use \
               timeZone field instead",
                ],
            ),
            (
                json!({"timeZone": "Local"}),
                &["spec.timeZone: Invalid value: \"Local\": timeZone must be an explicit time zone as defined in \
               https://www.iana.org/time-zones"],
            ),
            (
                json!({"timeZone": "Europe/Pariss"}),
                &["spec.timeZone: Invalid value: \"Europe/Pariss\": unknown time zone Europe/Pariss"],
            ),
            (json!({"timeZone": "../UTC"}), &["spec.timeZone: Invalid value: \"../UTC\": unknown time zone ../UTC"]),
            (
                json!({"concurrencyPolicy": "Maybe", "failedJobsHistoryLimit": -1}),
                &[
                    "spec.concurrencyPolicy: Unsupported value: \"Maybe\": supported values: \"Allow\", \"Forbid\", \"Replace\"",
                    "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
                ],
            ),
            (
                json!({"jobTemplate": {"spec": {"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}}}}),
                &[
                    "spec.jobTemplate.spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: `selector` will be \
                 auto-generated",
                    "spec.jobTemplate.spec.manualSelector: Unsupported value: \"true\": supported values: \"nil\", \"false\"",
                ],
            ),
        ],
    );
    let named = merged(cron(json!({})), &json!({"metadata": {"name": "n".repeat(53)}}));
    assert!(refusals("CronJob", named)[0].ends_with("must be no more than 52 bytes"));
    // What was let in before the rule stays changeable.
    let old = || cron(json!({"schedule": "TZ=UTC * * * * *"}));
    assert_eq!(update_refusals("CronJob", old(), merged(old(), &json!({"spec": {"suspend": true}}))), [""; 0]);
}

#[test]
fn revisions_hold_what_they_held() {
    let revision = |change: Value| merged(json!({"metadata": {"name": "x"}, "data": {"a": 1}, "revision": 1}), &change);
    assert_refused(
        "ControllerRevision",
        revision,
        &[
            (json!({"data": null}), &["data: Required value: data is mandatory"]),
            (json!({"revision": -1}), &["revision: Invalid value: -1: must be greater than or equal to 0"]),
        ],
    );
    assert_eq!(
        update_refusals("ControllerRevision", revision(json!({})), revision(json!({"data": {"a": 2}}))),
        ["data: Invalid value: {\"a\":2}: field is immutable"]
    );
}

#[test]
fn tables_show_workloads_as_upstream_shows_them() {
    let status = |object: Value, status: Value| merged(object, &json!({"status": status}));
    let set = set(json!({"replicas": 3}));
    assert_eq!(
        cells(
            "DaemonSet",
            status(
                set.clone(),
                json!({"desiredNumberScheduled": 3, "currentNumberScheduled": 2,
            "numberReady": 1, "numberAvailable": 1, "updatedNumberScheduled": 2})
            )
        ),
        ["x", "3", "2", "1", "2", "1", "<none>", "5m", "a", "i:1", "app=w"]
    );
    assert_eq!(cells("StatefulSet", status(set.clone(), json!({"readyReplicas": 2}))), ["x", "2/3", "5m", "a", "i:1"]);
    let controller = json!({"spec": {"replicas": 2, "selector": {"app": "w"}, "template": pod_template()},
        "status": {"replicas": 2, "readyReplicas": 1}});
    assert_eq!(cells("ReplicationController", controller), ["x", "2", "2", "1", "5m", "a", "i:1", "app=w"]);
    assert_eq!(cells("PodTemplate", json!({"template": pod_template()})), ["x", "a", "i:1", "app=w"]);
    let done = json!({"succeeded": 1, "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:30Z",
        "conditions": [{"type": "Complete", "status": "True"}]});
    let of_three = job(json!({"completions": 3}));
    assert_eq!(cells("Job", status(of_three, done)), ["x", "Complete", "1/3", "90s", "5m", "a", "i:1", "<none>"]);
    let parallel = job(json!({"parallelism": 4}));
    let running = status(parallel, json!({"startTime": "2026-01-01T00:00:00Z"}));
    assert_eq!(cells("Job", running)[1..4], ["Running", "0/1 of 4", "5m"]);
    let cron = status(cron(json!({"suspend": true})), json!({"lastScheduleTime": "2026-01-01T00:03:00Z"}));
    assert_eq!(cells("CronJob", cron), ["x", "@daily", "<none>", "True", "0", "2m", "5m", "a", "i:1", "<none>"]);
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "u", "controller": true}]);
    let revision = json!({"metadata": {"ownerReferences": owner}, "revision": 3});
    assert_eq!(cells("ControllerRevision", revision), ["x", "statefulset.apps/web", "3", "5m"]);
}
