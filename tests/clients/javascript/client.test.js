// The JavaScript client: typed and dynamic objects, patches, watches, informers, errors.

import assert from 'node:assert/strict';
import {
    ApisApi, AppsV1Api, AuthenticationV1Api, BatchV1Api, CoordinationV1Api, KubernetesObjectApi, ListWatch,
    NetworkingV1Api, PatchStrategy, RbacAuthorizationV1Api, V1Deployment, VersionApi, Watch, loadAllYaml, makeInformer,
    setHeaderOptions,
} from '@kubernetes/client-node';
import { check, config, core, eventually, failure } from './cluster.js';

const apps = config.makeApiClient(AppsV1Api);
const objects = KubernetesObjectApi.makeApiClient(config);

const as = (kind) => setHeaderOptions('Content-Type', kind);
const configMap = (name, data = {}, labels = {}) => ({ metadata: { name, labels }, data });
const deployment = (name, replicas) => ({
    metadata: { name },
    spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: {
            metadata: { labels: { app: name } },
            spec: { containers: [{ name: 'main', image: 'skiff.dev/echo' }] },
        },
    },
});

check('objects are created, read, replaced and deleted', async (namespace) => {
    const made = await core.createNamespacedConfigMap({ namespace, body: configMap('a', { x: '1' }) });
    assert.ok(made.metadata.uid);
    assert.ok(made.metadata.creationTimestamp instanceof Date);
    const read = await core.readNamespacedConfigMap({ namespace, name: 'a' });
    assert.deepEqual(read.data, { x: '1' });
    read.data = { x: '2' };
    const replaced = await core.replaceNamespacedConfigMap({ namespace, name: 'a', body: read });
    assert.notEqual(replaced.metadata.resourceVersion, made.metadata.resourceVersion);
    const stale = await failure(core.replaceNamespacedConfigMap({ namespace, name: 'a', body: made }));
    assert.deepEqual([stale.code, stale.reason], [409, 'Conflict']);
    const done = await core.deleteNamespacedConfigMap({ namespace, name: 'a' });
    assert.equal(done.status, 'Success');
    const gone = await failure(core.readNamespacedConfigMap({ namespace, name: 'a' }));
    assert.deepEqual([gone.code, gone.message], [404, 'configmaps "a" not found']);
});

check('lists are selected and come in pages', async (namespace) => {
    for (let number = 0; number < 7; number += 1) {
        const labels = { parity: number % 2 ? 'odd' : 'even' };
        await core.createNamespacedConfigMap({ namespace, body: configMap(`map-${number}`, {}, labels) });
    }
    const odd = await core.listNamespacedConfigMap({ namespace, labelSelector: 'parity in (odd)' });
    assert.deepEqual(odd.items.map((one) => one.metadata.name), ['map-1', 'map-3', 'map-5']);
    const names = [];
    let token;
    do {
        const page = await core.listNamespacedConfigMap({
            namespace, labelSelector: 'parity', limit: 3, _continue: token });
        names.push(...page.items.map((one) => one.metadata.name));
        token = page.metadata._continue;
    } while (token);
    assert.deepEqual(names, [0, 1, 2, 3, 4, 5, 6].map((number) => `map-${number}`));
    const bad = await failure(core.listNamespacedConfigMap({ namespace, labelSelector: 'a in (' }));
    assert.equal(bad.code, 400);
});

check('the first three kinds of patches', async (namespace) => {
    const name = 'ship';
    await apps.createNamespacedDeployment({ namespace, body: deployment(name, 0) });
    const byPatch = await apps.patchNamespacedDeployment({ namespace, name, body: [
        { op: 'add', path: '/metadata/labels', value: { x: '1' } }] });
    assert.deepEqual(byPatch.metadata.labels, { x: '1' });
    const side = { spec: { template: { spec: { containers: [{ name: 'side', image: 'skiff.dev/echo' }] } } } };
    const strategic = await apps.patchNamespacedDeployment(
        { namespace, name, body: side }, as(PatchStrategy.StrategicMergePatch));
    assert.deepEqual(strategic.spec.template.spec.containers.map((one) => one.name).sort(), ['main', 'side']);
    const merged = await apps.patchNamespacedDeployment({ namespace, name, body: side }, as(PatchStrategy.MergePatch));
    assert.deepEqual(merged.spec.template.spec.containers.map((one) => one.name), ['side']);
});

check('server-side apply', async (namespace) => {
    const apply = (fieldManager, data, force) => core.patchNamespacedConfigMap({
        namespace, name: 'a', fieldManager, force,
        body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data },
    }, as(PatchStrategy.ServerSideApply));
    assert.deepEqual((await apply('red', { x: '1', y: '1' })).data, { x: '1', y: '1' });
    assert.deepEqual((await apply('red', { x: '1' })).data, { x: '1' });
    const conflict = await failure(apply('blue', { x: '2' }));
    assert.deepEqual([conflict.code, conflict.reason], [409, 'Conflict']);
    assert.equal(conflict.message, 'Apply failed with 1 conflict: conflict with "red": .data.x');
    assert.deepEqual(conflict.details.causes.map((cause) => cause.field), ['.data.x']);
    assert.deepEqual((await apply('blue', { x: '2' }, true)).data, { x: '2' });
});

check('a watch tells of what happens', async (namespace) => {
    const list = await core.listNamespacedConfigMap({ namespace });
    const told = [];
    const ended = new Promise((resolve) => {
        new Watch(config).watch(
            `/api/v1/namespaces/${namespace}/configmaps`,
            { resourceVersion: list.metadata.resourceVersion, timeoutSeconds: 3, allowWatchBookmarks: true },
            (phase, object) => told.push([phase, object.metadata.name]), resolve);
    });
    await core.createNamespacedConfigMap({ namespace, body: configMap('a') });
    await core.patchNamespacedConfigMap({ namespace, name: 'a', body: [
        { op: 'add', path: '/data', value: { x: '1' } }] });
    await core.deleteNamespacedConfigMap({ namespace, name: 'a' });
    await eventually('the deletion is told', () => told.some(([phase, name]) => phase === 'DELETED' && name === 'a'));
    assert.equal(await ended, null, 'the server ends the stream well, when its time is up');
    const mine = told.filter(([, name]) => name === 'a').map(([phase]) => phase);
    assert.deepEqual(mine, ['ADDED', 'MODIFIED', 'DELETED']);
});

function follow(informer) {
    const told = [];
    for (const verb of ['add', 'update', 'delete']) {
        informer.on(verb, (one) => told.push(`${verb} ${one.metadata.name}`));
    }
    return told;
}

check('an informer holds what is there', async (namespace) => {
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    await core.createNamespacedConfigMap({ namespace, body: configMap('first', {}, { mine: 'yes' }) });
    const informer = makeInformer(
        config, path, () => core.listNamespacedConfigMap({ namespace, labelSelector: 'mine' }), 'mine');
    const told = follow(informer);
    const errors = [];
    informer.on('error', (error) => errors.push(error));
    await informer.start();
    try {
        await core.createNamespacedConfigMap({ namespace, body: configMap('other') });
        await core.createNamespacedConfigMap({ namespace, body: configMap('second', {}, { mine: 'yes' }) });
        await core.patchNamespacedConfigMap({ namespace, name: 'second', body: [
            { op: 'add', path: '/data', value: { x: '1' } }] });
        await core.patchNamespacedConfigMap({ namespace, name: 'first', body: [
            { op: 'remove', path: '/metadata/labels/mine' }] });
        await eventually('the first is gone', () => told.includes('delete first'));
        assert.deepEqual(told, ['add first', 'add second', 'update second', 'delete first']);
        assert.deepEqual(informer.list(namespace).map((one) => one.metadata.name), ['second']);
        assert.deepEqual(informer.get('second', namespace).data, { x: '1' });
    } finally {
        await informer.stop();
    }
    assert.deepEqual(errors.filter((error) => error.name !== 'AbortError'), []);
});

check('an informer that is cut off goes on where it was', async (namespace) => {
    const informer = new ListWatch(
        `/api/v1/namespaces/${namespace}/configmaps`, new Brief(config),
        () => core.listNamespacedConfigMap({ namespace }), false);
    const told = follow(informer);
    let connections = 0;
    informer.on('connect', () => { connections += 1; });
    await informer.start();
    try {
        for (let number = 0; number < 25; number += 1) {
            await core.createNamespacedConfigMap({ namespace, body: configMap(`map-${number}`) });
            await new Promise((resolve) => { setTimeout(resolve, 100); });
        }
        await eventually('all are told', () => told.includes('add map-24'));
        assert.ok(connections > 1, 'it was never cut off');
        const mine = told.filter((one) => one.startsWith('add map-'));
        assert.deepEqual(mine, Array.from({ length: 25 }, (_, number) => `add map-${number}`));
    } finally {
        await informer.stop();
    }
});

// A watch whose streams end after a second.
class Brief extends Watch {
    watch(path, query, callback, done) {
        return super.watch(path, { ...query, timeoutSeconds: 1 }, callback, done);
    }
}

check('dynamic objects go through their life', async (namespace) => {
    const spec = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace }, data: { x: '1' } };
    await objects.create(spec);
    assert.deepEqual((await objects.read(spec)).data, { x: '1' });
    const patched = await objects.patch({ ...spec, data: { y: '2' } });
    assert.deepEqual(patched.data, { x: '1', y: '2' });
    const replaced = await objects.replace({ ...patched, data: { z: '3' } });
    assert.deepEqual(replaced.data, { z: '3' });
    const list = await objects.list('v1', 'ConfigMap', namespace, undefined, undefined, undefined, 'metadata.name=a');
    assert.deepEqual(list.items.map((one) => one.metadata.name), ['a']);
    assert.equal((await objects.delete(spec)).status, 'Success');
    assert.equal((await failure(objects.read(spec))).code, 404);
});

check('dynamic objects are applied', async (namespace) => {
    const spec = { apiVersion: 'apps/v1', kind: 'Deployment', ...deployment('ship', 0) };
    spec.metadata.namespace = namespace;
    const made = await objects.patch(spec, undefined, undefined, 'red', false, PatchStrategy.ServerSideApply);
    assert.equal(made.spec.replicas, 0);
    const own = made.metadata.managedFields.filter((entry) => entry.operation === 'Apply');
    assert.deepEqual(own.map((entry) => entry.manager), ['red']);
});

check('a manifest is loaded and created', async (namespace) => {
    const text = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}], selector: {app: ship}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ship}
spec:
  replicas: 1
  selector: {matchLabels: {app: ship}}
  template:
    metadata: {labels: {app: ship}}
    spec: {containers: [{name: main, image: skiff.dev/echo}]}
`;
    for (const object of loadAllYaml(text)) {
        object.metadata.namespace = namespace;
        await objects.create(object);
    }
    const read = await eventually('it runs', async () => {
        const found = await apps.readNamespacedDeployment({ namespace, name: 'ship' });
        return found.status.readyReplicas === 1 && found;
    });
    assert.ok(read instanceof V1Deployment);
    const scale = await apps.readNamespacedDeploymentScale({ namespace, name: 'ship' });
    scale.spec.replicas = 2;
    await apps.replaceNamespacedDeploymentScale({ namespace, name: 'ship', body: scale });
    await eventually('two pods run', async () => {
        const pods = await core.listNamespacedPod({ namespace, fieldSelector: 'status.phase=Running' });
        return pods.items.length === 2;
    });
});

check('errors are told with codes, reasons and causes', async (namespace) => {
    const invalid = await failure(core.createNamespacedService({ namespace, body: {
        metadata: { name: 'wrong' }, spec: { ports: [{ port: 0 }] } } }));
    assert.deepEqual([invalid.code, invalid.reason], [422, 'Invalid']);
    assert.deepEqual(
        invalid.details.causes.map((cause) => cause.field), ['spec.ports[0].port', 'spec.ports[0].targetPort']);
    await core.createNamespacedConfigMap({ namespace, body: configMap('a') });
    const twice = await failure(core.createNamespacedConfigMap({ namespace, body: configMap('a') }));
    assert.deepEqual([twice.code, twice.reason], [409, 'AlreadyExists']);
    const dry = await core.createNamespacedConfigMap({ namespace, dryRun: 'All', body: configMap('dry') });
    assert.equal(dry.metadata.name, 'dry');
    assert.equal((await failure(core.readNamespacedConfigMap({ namespace, name: 'dry' }))).code, 404);
});

check('a strict patch is invalid as a whole', async (namespace) => {
    await core.createNamespacedConfigMap({ namespace, body: configMap('a') });
    const strict = await failure(core.patchNamespacedConfigMap({ namespace, name: 'a', fieldValidation: 'Strict', body: [
        { op: 'add', path: '/colour', value: 'red' }] }));
    assert.deepEqual([strict.code, strict.reason], [422, 'Invalid']);
    assert.match(strict.message, /strict decoding error: unknown field "colour"/);
});

check('deletions have options', async (namespace) => {
    await apps.createNamespacedDeployment({ namespace, body: deployment('ship', 1) });
    await eventually('it has a pod', async () => (await core.listNamespacedPod({ namespace })).items.length);
    await apps.deleteNamespacedDeployment({ namespace, name: 'ship', body: { propagationPolicy: 'Foreground' } });
    await eventually('all is gone', async () => {
        const left = await Promise.all([
            apps.listNamespacedDeployment({ namespace }), core.listNamespacedPod({ namespace })]);
        return left.every((list) => list.items.length === 0);
    });
    await core.createNamespacedConfigMap({ namespace, body: configMap('a', {}, { x: '1' }) });
    const wrong = await failure(core.deleteNamespacedConfigMap({ namespace, name: 'a', body: {
        preconditions: { uid: '11111111-2222-3333-4444-555555555555' } } }));
    assert.equal(wrong.code, 409);
    await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'x=1' });
    assert.equal((await failure(core.readNamespacedConfigMap({ namespace, name: 'a' }))).code, 404);
});

check('a lease is renewed', async (namespace) => {
    const leases = config.makeApiClient(CoordinationV1Api);
    const made = await leases.createNamespacedLease({ namespace, body: {
        metadata: { name: 'leader' },
        spec: { holderIdentity: 'me', leaseDurationSeconds: 15, renewTime: '2026-01-02T03:04:05.000006Z' } } });
    assert.equal(made.spec.holderIdentity, 'me');
    made.spec.holderIdentity = 'other';
    const taken = await leases.replaceNamespacedLease({ namespace, name: 'leader', body: made });
    assert.equal(taken.spec.holderIdentity, 'other');
    assert.equal((await failure(leases.replaceNamespacedLease({ namespace, name: 'leader', body: made }))).code, 409);
});

check('groups and the version are discovered', async () => {
    const version = await config.makeApiClient(VersionApi).getCode();
    assert.deepEqual([version.major, version.minor], ['1', '36']);
    const groups = await config.makeApiClient(ApisApi).getAPIVersions();
    assert.ok(groups.groups.some((group) => group.name === 'apps'));
    const resources = await apps.getAPIResources();
    const found = resources.resources.find((one) => one.name === 'deployments');
    assert.deepEqual([found.kind, found.namespaced, found.shortNames], ['Deployment', true, ['deploy']]);
});

check('newer groups are there', async (namespace) => {
    const jobs = config.makeApiClient(BatchV1Api);
    await jobs.createNamespacedCronJob({ namespace, body: {
        metadata: { name: 'yearly' },
        spec: { schedule: '0 0 29 2 *', jobTemplate: { spec: { template: { spec: {
            restartPolicy: 'Never', containers: [{ name: 'main', image: 'skiff.dev/echo' }] } } } } } } });
    await config.makeApiClient(NetworkingV1Api).createNamespacedIngress({ namespace, body: {
        metadata: { name: 'way' }, spec: { defaultBackend: { service: { name: 'x', port: { number: 80 } } } } } });
    await config.makeApiClient(RbacAuthorizationV1Api).createNamespacedRole({ namespace, body: {
        metadata: { name: 'reader' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] } });
    assert.equal((await jobs.listNamespacedCronJob({ namespace })).items[0].spec.concurrencyPolicy, 'Allow');
});

check('a program learns who it is', async () => {
    const review = await config.makeApiClient(AuthenticationV1Api).createSelfSubjectReview({ body: {} });
    assert.ok(review.status.userInfo.username);
});
