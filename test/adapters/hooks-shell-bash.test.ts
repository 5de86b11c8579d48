/**
 * What a shell command is read to write against what bash then does: random commands run in a folder of their own,
 * and where the reader was certain, no file may have changed that it did not name. Nothing here may leave that
 * folder: no word begins above it, and no `cd` goes up.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a shell spells it
import { spawnSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Writes, writesOf } from "../../adapters/hooks/shell.ts";
import { compileScope, coversFile, normaliseScope } from "../../core/model/scopes.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-shell-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const words = [
  "a.txt b.txt n1 ./a.txt sub/c.txt sub/../b.txt *.txt sub/*.txt $V ${V} \"$V\" x{1,2} '*.txt' n\\ 3 c.txt".split(
    " ",
  ),
  ["'sp ace'", '"q[1]"', "n\\ 3", '"$V.bak"'],
].flat();
const word = fc.constantFrom(...words);
/** Where one word only is allowed. */
const one = fc.constantFrom("a.txt", "b.txt", "n1", "'sp ace'", "sub/c.txt", "c.txt", '"$V"', '"$V.bak"');

const template = fc.constantFrom(
  "touch W W",
  "rm -f W W",
  "rm -rf W",
  "echo hi > O",
  "echo hi >> O 2>&1",
  "sed -i s/a/b/ W",
  "sed -i.bak s/a/Z/ O",
  "perl -pi -e s/a/P/ O",
  "mv O O",
  "mv W sub",
  "cp O O",
  "cp W W sub/",
  "echo x | tee W",
  "truncate -s 0 O",
  "chmod +x O",
  "sort -o O a.txt",
  "tar cf t.tar a.txt",
  "find . -name '*.txt' -delete",
  "find sub -type f -exec sed -i s/a/Q/ {} +",
  "ls *.txt | xargs touch",
  "cat > O <<'EOF'\nrm -f a.txt > zz\n$(touch no)\nEOF\n",
  'cat <<EOF | tee O\nit\'s "x" $V )\nEOF\n',
  "patch -p0 <<'E'\n--- a.txt\n+++ a.txt\n@@ -1 +1 @@\n-aaa\n+ppp\nE\n",
  "V=n1",
  "V='n 5'",
  "cd sub",
  "cd ./sub/../sub",
  'echo "a > b; rm -f a.txt" # rm b.txt',
  'echo "$(touch O)"',
  "echo `touch k1`",
  "[[ a > b || -f a.txt ]]",
  "(( 1 > 2 ))",
  "env A=1 touch W",
  "printf x > >(cat)",
);
const simple = fc
  .tuple(template, fc.array(word, { minLength: 2, maxLength: 2 }), fc.tuple(one, one))
  .map(([text, many, [first, second]]) =>
    text
      .replace("W", many[0] as string)
      .replace("W", many[1] as string)
      .replace("O", first)
      .replace("O", second),
  );
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

const { command } = fc.letrec<{ command: string }>((tie) => {
  const inner = tie("command");
  const joint = fc.constantFrom(" && ", "; ", "\n", " || ", " | ");
  return {
    command: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      simple,
      fc.tuple(inner, joint, inner).map(([a, by, b]) => `${a}${by}${b}`),
      inner.map((a) => `( ${a}\n)`),
      inner.map((a) => `{ ${a}\n}`),
      fc.tuple(inner, inner).map(([a, b]) => `if true; then ${a}\nelse ${b}\nfi`),
      fc
        .tuple(fc.constantFrom("a.txt n1", "x{1,2}", "$V b.txt", "*.txt"), inner)
        .map(([list, a]) => `for f in ${list}; do touch "$f.x"\n${a}\ndone`),
      fc.tuple(inner, inner).map(([a, b]) => `case a.txt in b|c) ${a}\n;; (a*) ${b}\n;; esac`),
      inner.map((a) => `bash -c ${quoted(a)}`),
      inner.map((a) => `eval ${quoted(a)}`),
      inner.map((a) => `f() { ${a}\n}; f`),
      inner.map((a) => `while true; do ${a}\nbreak; done > lg`),
    ),
  };
});

function look(folder: string, below = "", seen = new Map<string, string>()): Map<string, string> {
  for (const name of readdirSync(join(folder, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    const stat = lstatSync(join(folder, path));
    if (stat.isDirectory()) look(folder, path, seen);
    else {
      const text = stat.isSymbolicLink()
        ? readlinkSync(join(folder, path))
        : readFileSync(join(folder, path), "latin1");
      seen.set(path, `${stat.ino} ${stat.mtimeMs} ${stat.mode} ${text}`);
    }
  }
  return seen;
}

function names(writes: Writes, folder: string, file: string): boolean {
  const whole = `${folder}/${file}`;
  if (writes.paths.includes(whole) || writes.trees.some((tree) => whole.startsWith(`${tree}/`))) return true;
  return writes.patterns.some((pattern) => {
    if (!pattern.startsWith("/")) return false;
    const scope = normaliseScope({ paths: [pattern.slice(1)] });
    return "scope" in scope && coversFile(compileScope(scope.scope, false), whole.slice(1));
  });
}

// There is no bash to agree with on Windows.
it.runIf(process.platform !== "win32")(
  "bash writes nothing that a certain reading did not name",
  () => {
    let count = 0;
    let told = 0;
    fc.assert(
      fc.property(command, (text) => {
        const folder = join(root, `${count++}`);
        mkdirSync(join(folder, "sub"), { recursive: true });
        const files = { "a.txt": "aaa\n", "b.txt": "bab\n", "sub/c.txt": "cac\n", "sub/d.txt": "dad\n" };
        for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
        const writes = writesOf(text, folder);
        const before = look(folder);
        spawnSync("bash", ["-c", text], { cwd: folder, stdio: "ignore", timeout: 20_000 });
        const after = look(folder);
        const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
          (file) => before.get(file) !== after.get(file),
        );
        if (!writes.isCertain) return;
        if (changed.length > 0) told++;
        expect(changed.filter((file) => !names(writes, folder, file))).toEqual([]);
      }),
      // Always the same commands: thousands of others have run, and a build must not fail by chance.
      { numRuns: 150, seed: 1 },
    );
    expect(told, "certain readings of commands that wrote").toBeGreaterThan(30);
  },
  120_000,
);
