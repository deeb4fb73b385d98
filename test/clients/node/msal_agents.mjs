// MSAL Node as agents at the emulator: the blueprint's token for an agent, and what the agent does with it.
import { readFileSync } from 'node:fs';
import { ConfidentialClientApplication } from '@azure/msal-node';
import { tell } from './walk.mjs';

const { ORIGIN, TENANT, BLUEPRINT, AGENT, SECOND_AGENT, OTHER_AGENT, AGENT_USER, AGENT_TOKEN_FILE } = process.env;
const exchange = ['api://AzureADTokenExchange/.default'];
const [api, app] = ['api://onbehalf-api/access_as_user', 'api://onbehalf-api/.default'];

const open = (clientId, credential) =>
  new ConfidentialClientApplication({
    auth: { clientId, authority: `${ORIGIN}/${TENANT}`, knownAuthorities: [new URL(ORIGIN).host], ...credential },
  });
const told = ({ accessToken }) => ({ access_token: accessToken });

const blueprint = open(BLUEPRINT, { clientSecret: 'agents-secret' });
const credential = async (fmiPath = AGENT) =>
  (await blueprint.acquireTokenByClientCredential({ scopes: exchange, fmiPath })).accessToken;
const asAgent = async (agent = AGENT, clientAssertion = undefined) =>
  open(agent, { clientAssertion: clientAssertion ?? (await credential(agent)) });

async function asUser(user) {
  const agent = await asAgent();
  const { accessToken: assertion } = await agent.acquireTokenByClientCredential({ scopes: exchange });
  return told(await agent.acquireTokenByUserFederatedIdentityCredential({ scopes: [api], assertion, ...user }));
}

await tell('@azure/msal-node', {
  "gets its blueprint's token for it": async () => ({ access_token: await credential() }),
  'acts for itself': async () => told(await (await asAgent()).acquireTokenByClientCredential({ scopes: [app] })),
  'acts on behalf of a person': async () =>
    told(
      await (await asAgent()).acquireTokenOnBehalfOf({
        scopes: [api],
        oboAssertion: readFileSync(AGENT_TOKEN_FILE, 'utf8'),
      }),
    ),
  'acts as its user by name': () => asUser({ username: 'scout@contoso.test' }),
  'acts as its user by id': () => asUser({ userObjectId: AGENT_USER }),
  'is refused the agent of another blueprint': async () => ({ access_token: await credential(OTHER_AGENT) }),
  "is refused another agent's token": async () =>
    told(await (await asAgent(SECOND_AGENT, await credential())).acquireTokenByClientCredential({ scopes: [app] })),
});
