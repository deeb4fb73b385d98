import { join } from 'node:path';
import type { SourceFile } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

/** The program of tsconfig.json as TypeScript's own server sees it, in which a file may hold another text. */
export function openProgram(root = process.cwd()) {
  const texts = new Map<string, string>();
  const api = new API({ cwd: root, fs: { readFile: (path) => texts.get(path) } });
  const config = join(root, 'tsconfig.json');
  let snapshot = api.updateSnapshot({ openProjects: [config] });
  const program = () => {
    const project = snapshot.getProject(config);
    if (!project) throw new Error(`${config} is no project`);
    return project.program;
  };

  function change(path: string, text: string | undefined): void {
    if (text === undefined) texts.delete(path);
    else texts.set(path, text);
    const next = api.updateSnapshot({ fileChanges: { changed: [path] } });
    snapshot.dispose();
    snapshot = next;
  }

  return {
    /** @throws Error if the project has no such file. */
    source(file: string): SourceFile {
      const source = program().getSourceFile(join(root, file));
      if (!source) throw new Error(`${file} is not in ${config}`);
      return source;
    },

    /** Whether a file with this text would pass `npm run check`, as far as the file itself goes. */
    accepts(file: string, text: string): boolean {
      const path = join(root, file);
      change(path, text);
      const faults = [...program().getSyntacticDiagnostics(path), ...program().getSemanticDiagnostics(path)];
      change(path, undefined);
      return faults.length === 0;
    },

    [Symbol.dispose]: () => api.close(),
  };
}

export type Program = ReturnType<typeof openProgram>;
