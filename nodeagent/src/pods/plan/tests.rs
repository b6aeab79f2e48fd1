//! What the plan says for a pod's whole life.

use super::*;
use crate::pods::state::{Blocked, Past, Running, Stopping};
use crate::runtime::interface::Ended;
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": "p", "uid": "u" }, "spec": spec })).unwrap()
}

fn containers(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "name": name, "image": "i" })).collect()
}

/// A state in which all that comes before the containers is done.
fn prepared(pod: &Pod) -> PodState {
    PodState {
        is_admitted: true,
        started_at: Some(at(0)),
        address: Some("127.64.1.2".parse().unwrap()),
        preparation: Readiness::Ready,
        containers: vec![ContainerState::default(); Roster::of(pod).len()],
        ..PodState::default()
    }
}

fn running() -> Running {
    Running {
        id: "1".to_owned(),
        image: "i".to_owned(),
        image_id: "i".to_owned(),
        started_at: at(0),
        is_started: true,
        is_ready: true,
        in_post_start: false,
        unwanted: None,
        stopping: None,
    }
}

fn ended(code: i32, finished: i64) -> Ended {
    Ended {
        code,
        signal: None,
        reason: String::new(),
        message: String::new(),
        started_at: at(0),
        finished_at: at(finished),
    }
}

fn end(state: &mut PodState, index: usize, code: i32, finished: i64) {
    assert!(state.containers[index].end("1", ended(code, finished)));
}

fn steps(pod: &Pod, state: &PodState, second: i64) -> Vec<Step> {
    plan(pod, state, at(second)).steps
}

fn stop(index: usize, name: &str, kill_at: i64) -> Step {
    Step::Stop { index, kill_at: at(kill_at), message: format!("Stopping container {name}") }
}

#[test]
fn a_new_pod_is_admitted_then_prepared_then_started() {
    let pod = pod(json!({ "containers": containers(&["a", "b"]) }));
    let mut state = PodState { containers: vec![ContainerState::default(); 2], ..PodState::default() };
    assert_eq!(steps(&pod, &state, 0), [Step::Admit]);
    state.is_admitted = true;
    assert_eq!(steps(&pod, &state, 0), [Step::Prepare]);
    state.preparation = Readiness::Waiting { retry_at: at(5), attempts: 0 };
    assert_eq!(plan(&pod, &state, at(1)), Plan { steps: vec![], wake: Some(at(5)) });
    assert_eq!(steps(&pod, &state, 5), [Step::Prepare]);
    state.preparation = Readiness::Ready;
    assert_eq!(steps(&pod, &state, 0), [Step::Start(0), Step::Start(1)]);
    state.containers[0].begin(running());
    state.containers[1].begin(running());
    assert_eq!(plan(&pod, &state, at(9)), Plan::default());
}

#[test]
fn init_containers_run_one_after_the_other_and_sidecars_go_on() {
    let pod = pod(json!({
        "initContainers": [
            { "name": "one", "image": "i" },
            { "name": "side", "image": "i", "restartPolicy": "Always" },
            { "name": "two", "image": "i" }
        ],
        "containers": containers(&["main"])
    }));
    let mut state = prepared(&pod);
    assert_eq!(steps(&pod, &state, 0), [Step::Start(0)]);
    state.containers[0].begin(running());
    assert_eq!(steps(&pod, &state, 0), []);
    end(&mut state, 0, 0, 1);
    assert_eq!(steps(&pod, &state, 1), [Step::Start(1)]);
    state.containers[1].begin(Running { is_started: false, ..running() });
    assert_eq!(steps(&pod, &state, 1), []);
    state.containers[1].running_mut().unwrap().is_started = true;
    assert_eq!(steps(&pod, &state, 1), [Step::Start(2)]);
    state.containers[2].begin(running());
    end(&mut state, 2, 0, 2);
    assert_eq!(steps(&pod, &state, 2), [Step::Start(3)]);
    state.containers[3].begin(running());
    assert_eq!(steps(&pod, &state, 2), []);
    // A sidecar that ends comes back, while the main container runs.
    end(&mut state, 1, 0, 3);
    assert_eq!(steps(&pod, &state, 3), [Step::Start(1)]);
}

#[test]
fn an_init_container_that_fails_is_tried_again_or_fails_the_pod() {
    let spec = |policy: &str| {
        pod(json!({
            "restartPolicy": policy,
            "initContainers": [{ "name": "i", "image": "i" }],
            "containers": containers(&["main"])
        }))
    };
    let (always, never) = (spec("Always"), spec("Never"));
    let mut state = prepared(&always);
    state.containers[0].begin(running());
    end(&mut state, 0, 1, 5);
    assert_eq!(steps(&always, &state, 5), [Step::Start(0)]);
    assert_eq!(steps(&never, &state, 5), []);
    assert!(is_finished(&never, &state) && !is_finished(&always, &state));
}

#[test]
fn a_container_that_ends_again_and_again_waits_longer_each_time() {
    let pod = pod(json!({ "containers": containers(&["a"]) }));
    let mut state = prepared(&pod);
    state.containers[0].begin(running());
    end(&mut state, 0, 1, 10);
    assert_eq!(steps(&pod, &state, 10), [Step::Start(0)]);
    state.containers[0].begin(running());
    end(&mut state, 0, 1, 20);
    assert_eq!(plan(&pod, &state, at(21)), Plan { steps: vec![], wake: Some(at(30)) });
    assert_eq!(steps(&pod, &state, 30), [Step::Start(0)]);
    state.containers[0].begin(running());
    end(&mut state, 0, 1, 40);
    assert_eq!(plan(&pod, &state, at(41)).wake, Some(at(60)));
    assert_eq!((state.containers[0].restarts, state.containers[0].failures), (2, 2));
    // A long run starts the series over.
    state.containers[0].begin(running());
    end(&mut state, 0, 1, 1000);
    assert_eq!(steps(&pod, &state, 1000), [Step::Start(0)]);
}

#[test]
fn the_restart_policy_decides_what_an_end_means() {
    for (policy, code, restarts) in [
        ("Always", 0, true),
        ("Always", 1, true),
        ("OnFailure", 0, false),
        ("OnFailure", 1, true),
        ("Never", 0, false),
        ("Never", 1, false),
    ] {
        let pod = pod(json!({ "restartPolicy": policy, "containers": containers(&["a"]) }));
        let mut state = prepared(&pod);
        state.containers[0].begin(running());
        end(&mut state, 0, code, 1);
        assert_eq!(steps(&pod, &state, 1) == [Step::Start(0)], restarts, "{policy} {code}");
        assert_eq!(is_finished(&pod, &state), !restarts, "{policy} {code}");
    }
}

#[test]
fn a_pod_whose_work_is_done_lets_its_sidecars_go_from_the_last_to_the_first() {
    let side = |name: &str| json!({ "name": name, "image": "i", "restartPolicy": "Always" });
    let pod = pod(json!({
        "restartPolicy": "Never",
        "initContainers": [side("one"), side("two")],
        "containers": containers(&["main"])
    }));
    let mut state = prepared(&pod);
    for index in 0..3 {
        state.containers[index].begin(running());
    }
    end(&mut state, 2, 0, 5);
    assert_eq!(steps(&pod, &state, 5), [stop(1, "two", 35)]);
    end(&mut state, 1, 0, 6);
    assert_eq!(steps(&pod, &state, 6), [stop(0, "one", 36)]);
    end(&mut state, 0, 0, 7);
    assert_eq!(steps(&pod, &state, 7), []);
}

#[test]
fn a_changed_image_or_a_failed_probe_restarts_the_container() {
    let mut pod = pod(json!({ "restartPolicy": "Never", "containers": containers(&["a"]) }));
    let mut state = prepared(&pod);
    state.containers[0].begin(running());
    pod.spec.as_mut().unwrap().containers[0].image = Some("other".to_owned());
    let Step::Stop { message, .. } = &steps(&pod, &state, 0)[0] else { panic!("it has to stop") };
    assert_eq!(message, "Container a definition changed, will be restarted");
    end(&mut state, 0, 143, 1);
    assert_eq!(steps(&pod, &state, 1), [Step::Start(0)]);

    let unwanted = crate::pods::state::Unwanted { message: "dead".to_owned(), grace_seconds: Some(3) };
    state.containers[0].begin(Running { image: "other".to_owned(), unwanted: Some(unwanted), ..running() });
    assert_eq!(steps(&pod, &state, 1), [Step::Stop { index: 0, kill_at: at(4), message: "dead".to_owned() }]);
}

#[test]
fn a_stop_waits_for_the_hook_then_signals_then_kills() {
    let pod = pod(json!({ "containers": containers(&["a"]) }));
    let mut state = prepared(&pod);
    state.ending = Some(Ending { kill_at: at(30), cause: Cause::Deleted });
    state.containers[0].begin(running());
    assert_eq!(steps(&pod, &state, 0), [stop(0, "a", 30)]);
    let mut set = |stage| {
        state.containers[0].running_mut().unwrap().stopping = Some(Stopping { kill_at: at(30), stage });
        state.clone()
    };
    assert_eq!(plan(&pod, &set(Stage::Hook), at(1)), Plan { steps: vec![], wake: Some(at(30)) });
    assert_eq!(steps(&pod, &set(Stage::Hooked), 1), [Step::Signal(0)]);
    assert_eq!(plan(&pod, &set(Stage::Signalled), at(1)), Plan { steps: vec![], wake: Some(at(30)) });
    assert_eq!(steps(&pod, &set(Stage::Signalled), 30), [Step::Kill(0)]);
    assert_eq!(steps(&pod, &set(Stage::Killed), 31), []);
    // A second deletion that leaves less time counts at once.
    state.ending = Some(Ending { kill_at: at(2), cause: Cause::Deleted });
    state.containers[0].running_mut().unwrap().stopping = Some(Stopping { kill_at: at(30), stage: Stage::Hook });
    assert_eq!(steps(&pod, &state, 2), [Step::Kill(0)]);
    end(&mut state, 0, 137, 3);
    assert_eq!(steps(&pod, &state, 3), [Step::Finish]);
}

#[test]
fn an_image_that_cannot_be_had_backs_off_and_waits_for_another() {
    let mut pod = pod(json!({ "containers": containers(&["a"]) }));
    let mut state = prepared(&pod);
    let blocked = |retry_at, is_permanent| Blocked {
        reason: "ErrImagePull",
        message: String::new(),
        retry_at,
        attempts: 0,
        image: "i".to_owned(),
        is_permanent,
    };
    state.containers[0].block(blocked(Some(at(10)), true));
    assert_eq!(plan(&pod, &state, at(1)).wake, Some(at(10)));
    assert_eq!(steps(&pod, &state, 10), [Step::BackOffPull(0)]);
    state.containers[0].block(blocked(Some(at(10)), false));
    assert_eq!(steps(&pod, &state, 10), [Step::Start(0)]);
    state.containers[0].block(blocked(None, true));
    assert_eq!(plan(&pod, &state, at(99)), Plan::default());
    pod.spec.as_mut().unwrap().containers[0].image = Some("other".to_owned());
    assert_eq!(steps(&pod, &state, 99), [Step::Start(0)]);
}

#[test]
fn a_deadline_ends_the_pod_as_failed() {
    let pod = pod(json!({ "activeDeadlineSeconds": 60, "containers": containers(&["a"]) }));
    let mut state = prepared(&pod);
    state.containers[0].begin(running());
    assert_eq!(plan(&pod, &state, at(1)), Plan { steps: vec![], wake: Some(at(60)) });
    let Step::Fail { reason, ending, .. } = &steps(&pod, &state, 60)[0] else { panic!("the time is up") };
    assert_eq!((*reason, ending.kill_at), ("DeadlineExceeded", at(90)));
}

#[test]
fn a_failed_start_counts_as_an_end() {
    let pod = pod(json!({ "containers": containers(&["a"]) }));
    let mut state = prepared(&pod);
    let past = || Past { id: String::new(), image: "i".to_owned(), image_id: String::new(), ended: ended(128, 0) };
    state.containers[0].fail_start(past());
    assert_eq!(state.containers[0].restarts, 0);
    assert_eq!(steps(&pod, &state, 0), [Step::Start(0)]);
    state.containers[0].fail_start(past());
    assert_eq!(state.containers[0].restarts, 1);
    assert_eq!(plan(&pod, &state, at(0)).wake, Some(at(10)));
}
