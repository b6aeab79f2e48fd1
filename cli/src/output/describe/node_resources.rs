//! What the pods of a node ask for, one by one and together, against what it can give.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use jiff::Timestamp;
use serde_json::Value;

use crate::object;
use crate::output::age;
use crate::output::describe::page::Page;

type Amounts = BTreeMap<String, Quantity>;

pub fn write(page: &mut Page, node: &Value, pods: &[Value], now: Timestamp) {
    let status = &node["status"];
    let field =
        if status["allocatable"].as_object().is_some_and(|map| !map.is_empty()) { "allocatable" } else { "capacity" };
    let given = amounts(&status[field]);
    page.field(0, "Non-terminated Pods", format_args!("({} in total)", pods.len()));
    page.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    page.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    let (mut all_requests, mut all_limits) = (Amounts::new(), Amounts::new());
    for pod in pods {
        let (requests, limits) = (of_pod(pod, "requests"), of_pod(pod, "limits"));
        let share = |amounts: &Amounts, name: &str| share(amounts, &given, name);
        page.line(
            1,
            &format!(
                "{}\t{}\t\t{}\t{}\t{}\t{}\t{}",
                object::namespace(pod),
                object::name(pod),
                share(&requests, "cpu"),
                share(&limits, "cpu"),
                share(&requests, "memory"),
                share(&limits, "memory"),
                age::since(object::at(pod, "metadata.creationTimestamp"), now)
            ),
        );
        add(&mut all_requests, &requests);
        add(&mut all_limits, &limits);
    }
    page.raw("Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n");
    page.line(1, "Resource\tRequests\tLimits");
    page.line(1, "--------\t--------\t------");
    let is_page = |name: &&String| name.starts_with("hugepages-");
    let fixed = ["cpu", "memory", "ephemeral-storage"];
    let pages: Vec<&str> = given.keys().filter(is_page).map(String::as_str).collect();
    for name in fixed.into_iter().chain(pages) {
        page.line(1, &format!("{name}\t{}\t{}", share(&all_requests, &given, name), share(&all_limits, &given, name)));
    }
    for name in given.keys().filter(|name| !is_page(name) && !fixed.contains(&name.as_str()) && *name != "pods") {
        let amount = |amounts: &Amounts| amounts.get(name).copied().unwrap_or(Quantity::ZERO);
        page.line(1, &format!("{name}\t{}\t{}", amount(&all_requests), amount(&all_limits)));
    }
}

/// `250m (12%)`.
fn share(asked: &Amounts, given: &Amounts, name: &str) -> String {
    let asked = asked.get(name).copied().unwrap_or(Quantity::ZERO);
    let given = given.get(name).copied().unwrap_or(Quantity::ZERO);
    let (part, whole) = if name == "cpu" { (asked.milli(), given.milli()) } else { (asked.units(), given.units()) };
    let percent = if whole == 0 { 0 } else { (part as f64 / whole as f64 * 100.0) as i64 };
    format!("{asked} ({percent}%)")
}

fn amounts(map: &Value) -> Amounts {
    let pairs = map.as_object().into_iter().flatten();
    let parsed = pairs.filter_map(|(name, amount)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?)));
    parsed.collect()
}

/// What a pod asks for: its containers together, or the largest of its init containers where that is more, and its overhead.
/// An init container that goes on running counts with the containers.
fn of_pod(pod: &Value, kind: &str) -> Amounts {
    let spec = &pod["spec"];
    let of = |container: &Value| amounts(&container["resources"][kind]);
    let mut total = Amounts::new();
    for container in object::items(spec, "containers") {
        add(&mut total, &of(container));
    }
    let (mut lasting, mut peak) = (Amounts::new(), Amounts::new());
    for container in object::items(spec, "initContainers") {
        let mut here = of(container);
        if object::text(container, "restartPolicy") == "Always" {
            add(&mut total, &here);
            add(&mut lasting, &here);
            here.clone_from(&lasting);
        } else {
            add(&mut here, &lasting);
        }
        raise(&mut peak, &here);
    }
    raise(&mut total, &peak);
    for (name, amount) in amounts(&spec["resources"][kind]) {
        total.insert(name, amount);
    }
    let overhead = amounts(&spec["overhead"]);
    if kind == "requests" {
        add(&mut total, &overhead);
    } else {
        // A limit that is not there is not made by overhead.
        add(&mut total, &overhead.into_iter().filter(|(name, _)| of_containers_limits(spec, name)).collect());
    }
    total
}

fn of_containers_limits(spec: &Value, name: &str) -> bool {
    object::items(spec, "containers").iter().any(|container| !container["resources"]["limits"][name].is_null())
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.get(name).map_or(*amount, |known| *known + *amount);
        total.insert(name.clone(), sum);
    }
}

fn raise(total: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let is_less = total.get(name).is_none_or(|known| known < amount);
        if is_less {
            total.insert(name.clone(), *amount);
        }
    }
}
