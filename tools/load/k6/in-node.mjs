// Lets Node run a k6 script: node --import ./in-node.mjs … Its modules are k6's as far as token.js uses them, over real
// HTTP. What k6 itself does with a script, its schedule and thresholds, is not here.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const ask = `
const { url, init } = JSON.parse(require('fs').readFileSync(0));
fetch(url, { redirect: 'manual', ...init }).then(async (answer) => {
  console.log(JSON.stringify({ status: answer.status, location: answer.headers.get('location'), body: await answer.text() }));
});`;

/** k6's requests are synchronous. */
function request(url, init) {
  const said = execFileSync(process.execPath, ['-e', ask], { input: JSON.stringify({ url, init }), timeout: 20_000 });
  const { status, location, body } = JSON.parse(said);
  const headers = location === null ? {} : { Location: location };
  return { status, headers, body, json: (name) => JSON.parse(body)[name] };
}

let iterationInTest = 0;
const modules = {
  k6: {
    check: (value, checks) => Object.values(checks).every((one) => one(value)) || modules.k6.fail('a check fails'),
    fail(reason) {
      throw new Error(reason);
    },
  },
  'k6/http': {
    get: (url) => request(url, {}),
    post: (url, body) =>
      request(url, {
        ...{ method: 'POST', body: new URLSearchParams(body).toString() },
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      }),
  },
  'k6/crypto': {
    randomBytes,
    sha256: (text) => createHash('sha256').update(text).digest('base64url'),
  },
  'k6/encoding': {
    b64encode: (bytes) => Buffer.from(bytes).toString('base64url'),
    b64decode: (text) => Buffer.from(text, 'base64url').toString(),
  },
  'k6/execution': {
    scenario: {
      get iterationInTest() {
        return iterationInTest++;
      },
    },
  },
};
Object.assign(globalThis, { k6Modules: modules, __ENV: process.env, open: (path) => readFileSync(path, 'utf8') });

registerHooks({
  resolve: (name, context, next) => (name in modules ? { url: `k6:${name}`, shortCircuit: true } : next(name, context)),
  load(url, context, next) {
    if (!url.startsWith('k6:')) return next(url, context);
    const name = url.slice(3);
    const source = `const it = globalThis.k6Modules['${name}']; export default it; export const { check, fail } = it;`;
    return { format: 'module', source, shortCircuit: true };
  },
});
