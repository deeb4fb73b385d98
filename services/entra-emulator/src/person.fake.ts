import { strict as assert } from 'node:assert';

type Page = { url: URL; status: number; html: string };
type Landing = { url: URL; parameters: URLSearchParams };

/** A person with a browser and no script: follows links and forms of the emulator, and stops where it sends them away. */
export function createPerson(emulatorOrigins: string[]) {
  const cookies = new Map<string, string>();
  let page: Page | undefined;

  const send = async (url: URL, init: RequestInit = {}): Promise<Landing | undefined> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', ...init, headers: { cookie } });
    for (const [pair] of response.headers.getSetCookie().map((line) => line.split(';'))) {
      const [name = '', value = ''] = (pair ?? '').split('=');
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location) {
      const next = new URL(location, url);
      if (emulatorOrigins.includes(next.origin)) return send(next);
      return { url: next, parameters: next.hash ? new URLSearchParams(next.hash.slice(1)) : next.searchParams };
    }
    page = { url, status: response.status, html: await response.text() };
    return undefined;
  };

  const title = () => /<h1>(.*)<\/h1>/.exec(page?.html ?? '')?.[1];

  return {
    cookies,
    visit: (url: string | URL) => send(new URL(url)),
    title,
    page: () => page as Page,
    /** The hidden fields of the page's first form, and where it goes. */
    form: () => readForm(page as Page),
    /** Presses a button of the page's form. */
    answer(fields: Record<string, string>) {
      const { action, hidden } = readForm(page as Page);
      return send(action, { method: 'POST', body: new URLSearchParams({ ...hidden, ...fields }) });
    },
    /** Signs in and accepts every page, until the application has its response. */
    async signIn(url: string | URL, upn: string): Promise<URLSearchParams> {
      let landing = await send(new URL(url));
      const answers: Record<string, Record<string, string>> = {
        'Pick an account': { username: upn },
        'Approve sign-in': { stepup: 'approve' },
        'Permissions requested': { consent: 'accept' },
      };
      for (let steps = 0; !landing && steps < 5; steps += 1) {
        const fields = answers[title() ?? ''];
        assert(fields, `no answer to the page "${title()}": ${/role="alert">(.*)</.exec(page?.html ?? '')?.[1]}`);
        landing = await this.answer(fields);
      }
      assert(landing, 'the sign-in does not end');
      return landing.parameters;
    },
  };
}

export type Person = ReturnType<typeof createPerson>;

function readForm({ html, url }: Page) {
  const action = new URL(unescapeHtml(/<form[^>]* action="([^"]+)"/.exec(html)?.[1] ?? ''), url);
  const form = html.slice(html.indexOf('<form'), html.indexOf('</form>'));
  const inputs = [...form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
  return { action, hidden: Object.fromEntries(inputs.map(([, name = '', value = '']) => [name, unescapeHtml(value)])) };
}

function unescapeHtml(text: string): string {
  const entities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => entities[entity] ?? entity);
}
