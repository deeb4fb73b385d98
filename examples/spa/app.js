// A single-page app behind web-frontend: static files, no build. The script holds no token: /session says who is here, and
// /api/<name>/… calls an API on behalf of the person.
const show = (id, text) => {
  document.getElementById(id).textContent = text;
};
// No other origin can send this header, so nobody else's page can call for the person.
const call = (path, options = {}) => fetch(path, { ...options, headers: { 'X-CSRF': '1', ...options.headers } });

/** Goes where a 401 says, to sign in, consent or step up, and comes back to do the same again. */
function goTo(signIn, again) {
  const url = new URL(signIn, location.origin);
  url.searchParams.set('return_to', `${location.pathname}?do=${again}`);
  location.assign(url);
}

async function callApi(path, again) {
  const response = await call(`/api/downstream-api${path}`);
  const body = await response.json();
  if (response.status === 401 && body.sign_in) return goTo(body.sign_in, again);
  if (response.status === 503) return show('result', `Try again in ${body.retry_after} s.`);
  show('result', JSON.stringify(body, undefined, 2));
}

async function leave() {
  const response = await call('/sign-out', { method: 'POST', body: new URLSearchParams({ where: 'here' }) });
  const { end_session: endSession } = await response.json();
  location.assign(endSession); // Entra ID's own session
}

const actions = { call: () => callApi('/whoami', 'call'), pay: () => callApi('/payroll', 'pay') };
for (const [id, action] of Object.entries(actions)) document.getElementById(id).addEventListener('click', action);
document.getElementById('leave').addEventListener('click', leave);

const session = await call('/session');
const { person } = session.ok ? await session.json() : {};
show('who', person ? `You are ${person.name}.` : 'Nobody is signed in.');
const again = new URLSearchParams(location.search).get('do');
if (person && Object.hasOwn(actions, again ?? '')) await actions[again]();
