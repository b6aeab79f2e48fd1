"""Objects that tests begin with."""

IMAGE = "skiff.dev/echo"


def config_map(name, labels=None, **data):
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def pod_spec():
    return {"containers": [{"name": "main", "image": IMAGE, "ports": [{"name": "http", "containerPort": 8080}]}]}


def pod(name, **labels):
    return {"metadata": {"name": name, "labels": labels}, "spec": pod_spec()}


def template(app):
    return {"metadata": {"labels": {"app": app}}, "spec": pod_spec()}


def deployment(name, replicas=1):
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name)},
    }
