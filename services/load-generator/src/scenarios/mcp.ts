import { exactly, noErrors, noForeign, percentileAtMost } from '../judging/checks.ts';
import type { Act, Load, Scenario } from '../judging/scenario.ts';
import { within } from '../judging/window.ts';
import type { Person } from '../sending/plan.ts';
import { each, patiently, signIn } from '../target/people.ts';
import { entraMs, type Stage } from '../target/stage.ts';

const replicas = 3;
/** A tool call whose token is there: the server's own work, the broker and Graph. */
const warmMs = 100;

const toolCall = JSON.stringify({
  ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
  params: { name: 'my_profile', arguments: {} },
});

export const mcp: Scenario = {
  name: 'mcp',
  brief: 'people call a tool that calls Graph on their behalf, at three replicas of an MCP server',
  load: { ratePerSecond: 100, users: 500, durationSeconds: 60, brokers: 3 },
  smaller: { ratePerSecond: 20, users: 150 },
  quick: { ratePerSecond: 20, users: 60, durationSeconds: 12 },
  variants: () => [{ name: '', stage: { mcp: replicas }, prepare }],
};

/** Each person calls in turn, each time at another replica. */
async function prepare(stage: Stage, { users, ratePerSecond, durationSeconds }: Load): Promise<Act> {
  const people = await each(await signIn(stage, users), async ({ session, oid }, i): Promise<Person> => {
    const { status, body } = await patiently(() => stage.exchange(i % stage.brokers.length, session));
    if (status !== 200) throw new Error(`no token for the MCP server: ${status} ${body.error}`);
    return { fields: {}, headers: { authorization: `Bearer ${body.access_token}` }, oid };
  });
  await stage.slowEntra(entraMs.least, entraMs.most);
  const headers = { accept: 'application/json, text/event-stream' };
  const askedOnceSeconds = Math.ceil(users / ratePerSecond);
  return {
    kinds: [{ name: 'tools/call', path: '/mcp', json: toolCall, headers, people }],
    ...{ targets: stage.mcp, sloMs: entraMs.most + warmMs },
    minimumCalls: (second) => Math.max(0, Math.min(ratePerSecond, users - second * ratePerSecond)),
    async checks(observed) {
      const warm = within(observed.all, askedOnceSeconds + 1, durationSeconds).histogram;
      return [
        exactly('calls on behalf, one for each person', await stage.calls('on_behalf_of'), users),
        exactly('calls to Entra', observed.totals.calls, users),
        percentileAtMost('latency once everybody has a token', warm, 99, warmMs),
        noErrors(observed),
        noForeign(observed),
      ];
    },
  };
}
