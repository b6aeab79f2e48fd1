// What every test begins with: the cluster that KUBECONFIG names, a namespace of its own, and the list of tests that wait.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';

export const config = new KubeConfig();
config.loadFromFile(process.env.KUBECONFIG);

export const core = config.makeApiClient(CoreV1Api);

const waiting = new Map();
for (const line of readFileSync(process.env.WAITING, 'utf8').split('\n')) {
    const found = /^javascript ([^:]+): (.*)$/.exec(line);
    if (found) {
        waiting.set(found[1], found[2]);
    }
}

// A test in a namespace of its own. One that waits for something must fail: so the list shrinks as the server grows.
export function check(name, body) {
    const reason = waiting.get(name);
    waiting.delete(name);
    test(name, { timeout: 60_000 }, async () => {
        const made = await core.createNamespace({ body: { metadata: { generateName: 'javascript-' } } });
        const namespace = made.metadata.name;
        try {
            if (reason === undefined) {
                await body(namespace);
            } else {
                await assert.rejects(body(namespace), undefined, `it passes, though it waits for: ${reason}`);
            }
        } finally {
            await core.deleteNamespace({ name: namespace });
        }
    });
}

after(() => assert.deepEqual([...waiting.keys()], [], 'the list names tests that are not there'));

// Looks until `look` gives something true, and gives it on.
export async function eventually(what, look, within = 20_000) {
    const end = Date.now() + within;
    for (;;) {
        const found = await look();
        if (found) {
            return found;
        }
        assert.ok(Date.now() < end, `not within ${within} ms: ${what}`);
        await pause(50);
    }
}

// The code and the Status of a call that must fail.
export async function failure(call) {
    try {
        await call;
    } catch (error) {
        const status = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
        assert.equal(status.kind, 'Status');
        assert.equal(status.code, error.code);
        return { code: error.code, reason: status.reason, message: status.message, details: status.details };
    }
    assert.fail('the call succeeded');
}
