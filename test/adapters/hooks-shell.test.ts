/**
 * What shell commands would write, case by case in a small notation, and that no command makes the reader throw
 * or take long.
 *
 * Behind each command stands what it writes, relative to `/r`: `a` a path, `a/` a path with everything below it
 * where it is a folder, `~a*` a pattern, `@` the worktree (`@sub` that of a folder in it), `?` maybe more. Blanks in
 * paths are written `_`.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a shell spells it
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Writes, writesOf } from "../../adapters/hooks/shell.ts";
import { limits } from "../../core/limits.ts";

function noted({ paths, trees, patterns, worktrees, isCertain }: Writes): string {
  const short = (path: string) => (path === "/r" ? "." : path.replace(/^\/r\//, "")).replaceAll(" ", "_");
  return [
    ...paths.map((path) => short(path) + (trees.includes(path) ? "/" : "")),
    ...patterns.map((pattern) => `~${short(pattern)}`),
    ...worktrees.map((folder) => `@${folder === "/r" ? "" : short(folder)}`),
    ...(isCertain ? [] : ["?"]),
  ]
    .sort()
    .join(" ");
}

function check(rows: readonly (readonly [command: string, writes: string])[]): void {
  it.each(rows)("%s", (command, writes) => {
    expect(noted(writesOf(command, "/r"))).toBe(writes.split(" ").sort().join(" "));
  });
}

describe("redirections", () => {
  check([
    ["echo hi > a", "a"],
    ["echo hi>a", "a"],
    ["echo hi >> a.log", "a.log"],
    ["echo hi >| a", "a"],
    ["make_noise_not | cat 2> err", "err ?"],
    ["ls &> all", "all"],
    ["ls &>> all", "all"],
    ["ls >& all", "all"],
    ["ls 2>&1", ""],
    ["rm a 2>/dev/null", "a"],
    ["tee a 2> err", "a err"],
    ["touch 2 > a", "2 a"],
    ["ls >&2", ""],
    ["ls >&-", ""],
    ["ls > /dev/null 2>&1", ""],
    ["ls 2>/dev/stderr >/dev/fd/3", ""],
    ["ls 1>out 2>err", "out err"],
    ["cat < in", ""],
    ["cat <> both", "both"],
    ["> empty", "empty"],
    ["cat < in > out", "out"],
    ["diff <(ls a) <(ls b)", ""],
    ["ls > >(tee log)", "log"],
    ["echo 'a > b'", ""],
    ['echo "a > b"', ""],
    ["echo a \\> b", ""],
    ["echo a#b > c # > d", "c"],
    ["# rm a", ""],
    ["echo x > /etc/hosts", "/etc/hosts"],
    ["echo x > ../up", "/up"],
    ["echo x > ./a/../b", "b"],
    ['echo x > "with space"', "with_space"],
    ["echo x > with\\ space", "with_space"],
    ["echo x > $OUT", "?"],
    ["echo x > ~/notes", "?"],
    ["echo x > $(date).log", "?"],
    ["echo x > 'app/[id]/page.tsx'", "app/[id]/page.tsx"],
    ["echo x > $'a\\tb'", "a\tb"],
    ["[[ a > b ]]", ""],
    ["[[ $x =~ (a|b) && a < b ]] && touch c", "c"],
    ["[ a \\> b ]", ""],
    ["(( x > 3 )) && echo y > z", "z"],
    ["echo $((1 > 2 ? 3 : 4))", ""],
    ["echo $((1<<3))\ntouch a", "a"],
  ]);
});

describe("here-documents", () => {
  check([
    ["cat > a.ts <<'EOF'\nrm b > c\nEOF", "a.ts"],
    ["cat <<EOF > a\nit's $HOME\nEOF\ntouch b", "a b"],
    ["cat <<-EOF\n\trm x\n\tEOF\nrm y", "y"],
    ["cat <<A <<'B'\nrm 1\nA\nrm 2\nB\nrm z", "z"],
    ["cat <<EOF\n$(rm x)\nEOF", "?"],
    ["cat <<'EOF'\n$(rm x) `rm y`\nEOF", ""],
    ["cat <<EOF\nnever closed", "?"],
    ["cat <<< 'rm x'", ""],
    ["tee a b <<EOF\nx\nEOF", "a b"],
    ["bash <<'EOF'\ncd sub\nrm x\nEOF\nrm y", "sub/x y"],
    ["echo \"$(cat <<'EOF'\ndon't ) > a\nEOF\n)\" > b", "b"],
    ["cat <<'EOF' | bash\nrm x\nEOF", "x"],
    ["cat > a <<'E 1'\nrm x\nE 1\nrm y", "a y"],
    ["cat > a <<\\EOF\n`rm x`\nEOF", "a"],
    ["cat <<EOF >a; rm b\nbody > c\nEOF", "a b"],
  ]);
});

describe("files", () => {
  check([
    ["rm a b", "a b"],
    ["rm -f -- -a", "-a"],
    ["rm -rf src", "src/"],
    ["rm -r src/ lib", "src/ lib/"],
    ["touch a -r ref", "a"],
    ["touch -d yesterday a", "a"],
    ["tee a", "a"],
    ["ls | tee -a log | grep x", "log"],
    ["truncate -s 0 a", "a"],
    ["dd if=/dev/zero of=a bs=1M", "a"],
    ["chmod +x run.sh", "run.sh"],
    ["chmod -R 755 bin", "bin/"],
    ["mkdir -p a/b", ""],
    ["mv a b", "a/ b b/a/"],
    ["mv a.ts dir/", "a.ts/ dir/a.ts/"],
    ["mv a b dir", "a/ b/ dir/a/ dir/b/"],
    ["mv -t dir a", "a/ dir/a/"],
    ["mv -T a b", "a/ b/"],
    ["cp a b", "b b/a"],
    ["cp a b dir", "dir/a dir/b"],
    ["cp -r src dst/", "dst/src/"],
    ["cp -r src/. dst", "dst/"],
    ["cp a .", "a"],
    ["cp ../x/a .", "a"],
    ["cp --target-directory=dir a", "dir/a"],
    ["cp src/*.ts dst/", "~dst/*.ts"],
    ["cp $A b", "b ?"],
    ["ln -s target name", "name name/target"],
    ["ln -sf ../shared/x", "x"],
    ["install -m 755 a bin/", "bin/a"],
    ["install -d bin", ""],
    ["rsync -a src/ dst", "dst/"],
    ["rsync -a src host:dst", ""],
    ["sort -o a b", "a"],
    ["sort b", ""],
    ["curl -o a https://x/y", "a"],
    ["curl https://x/y", ""],
    ["yq -i '.a = 1' c.yml", "c.yml"],
    ["jq . a.json > b.json", "b.json"],
    ["gzip a.txt", "a.txt a.txt.gz"],
    ["gunzip a.gz", "a.gz a"],
    ["gzip -c a", ""],
    ["split -l 10 big part_", "~part_*"],
  ]);
});

describe("editors of streams", () => {
  check([
    ["sed -i s/a/b/ src/a.ts", "src/a.ts"],
    ["sed -i 's/a/b/;s/>/</' a b", "a b"],
    ["sed -i -e s/a/b/ -e s/c/d/ a", "a"],
    ["sed -e s/a/b/ -i a", "a"],
    ["sed -i '' s/a/b/ a", "a"],
    ["sed -i '' -e s/a/b/ a", "a"],
    ["sed -i.bak s/a/b/ a", "a a.bak"],
    ["sed -i .bak s/a/b/ a", "a a.bak"],
    ["sed -Ei 's/(a)/b/' a", "a"],
    ["sed --in-place s/a/b/ a", "a"],
    ["sed --in-place=.orig s/a/b/ a", "a a.orig"],
    ["sed -i 1d a\\[1\\].ts", "a[1].ts"],
    ["sed s/a/b/ a", ""],
    ["sed -n 1,20p a", ""],
    ["sed -n 'w out' a", "?"],
    ["sed -i -f script a", "a ?"],
    ['sed -i "s/a/$B/" a', "a ?"],
    ["sed -i s/a/b/ src/*.ts", "~src/*.ts"],
    ["perl -pi -e 's/a/b/' a b", "a b"],
    ["perl -i -pe 's/a/b/g' a", "a"],
    ["perl -i.bak -pe s/a/b/ a", "a a.bak"],
    ["perl -0pi -e 's/a\\n/b/' a", "a"],
    ["perl -i -ne 'system(1)' a", "a ?"],
    ["perl -e 'print 1'", "?"],
    ["awk '{print $1}' a", ""],
    ["awk '{print > \"out\"}' a", "?"],
    ["gawk -i inplace '{sub(/a/,1)}1' a", "a"],
  ]);
});

describe("formatters", () => {
  check([
    ["prettier --write a.ts", "a.ts/"],
    ["npx prettier --write .", "./"],
    ["npx -y prettier@3 -w src", "src/"],
    ["prettier --check .", ""],
    ["prettier --write 'src/**/*.{ts,tsx}' '!x'", "~src/**/*.{ts,tsx}"],
    ["node_modules/.bin/prettier --write a", "a/"],
    ["eslint --fix src", "src/"],
    ["eslint src", ""],
    ["eslint --fix -c conf.js src", "src/"],
    ["pnpm exec eslint . --fix", "./"],
    ["npx @biomejs/biome check --write a.ts", "a.ts/"],
    ["biome format --write", "./"],
    ["biome check .", ""],
    ["gofmt -w main.go", "main.go/"],
    ["gofmt -l .", ""],
    ["go fmt ./...", "./"],
    ["rustfmt src/main.rs", "src/main.rs/"],
    ["rustfmt --check src/main.rs", ""],
    ["cargo fmt", "./"],
    ["cargo fmt --all -- --check", "./"],
    ["black .", "./"],
    ["black --check .", ""],
    ["python -m black src", "src/"],
    ["ruff format", "./"],
    ["ruff format --diff .", ""],
    ["ruff check --fix a.py", "a.py/"],
    ["ruff check a.py", ""],
    ["uv run ruff check --fix", "./"],
    ["isort a.py", "a.py/"],
    ["clang-format -i a.c b.h", "a.c/ b.h/"],
    ["clang-format a.c", ""],
    ["shfmt -w run.sh", "run.sh/"],
    ["terraform fmt -check", ""],
  ]);
});

describe("git", () => {
  check([
    ["git status", ""],
    ["git add -A && git push", ""],
    ["git diff > d.patch", "d.patch"],
    ["git log --output=log.txt", "log.txt"],
    ["git commit -m 'x > y'", "?"],
    ["git checkout -- a.ts", "a.ts/"],
    ["git checkout .", "./"],
    ["git checkout a.ts", "a.ts/"],
    ["git checkout HEAD~1 -- src a.ts", "src/ a.ts/"],
    ["git checkout main a.ts", "a.ts/"],
    ["git checkout main", "@"],
    ["git checkout release/1.2", "@"],
    ["git checkout -b new", ""],
    ["git checkout -b new origin/main", "@"],
    ["git checkout -- '*.ts'", "~**/*.ts"],
    ["git checkout -- 'src/*.ts'", "~src/**/*.ts"],
    ["git checkout -- 'app/[id]/p.ts'", "app/[id]/p.ts/ ~app/**"],
    ["git checkout $REF", "@"],
    ["git switch main", "@"],
    ["git switch -c new", ""],
    ["git restore a.ts", "a.ts/"],
    ["git restore --staged a.ts", ""],
    ["git restore --staged --worktree a.ts", "a.ts/"],
    ["git restore -s HEAD~2 src", "src/"],
    ["git restore ':(exclude)a' b", "b/"],
    ["git restore :/", "@"],
    ["git reset --hard", "@"],
    ["git reset HEAD a.ts", ""],
    ["git reset --soft HEAD~1", ""],
    ["git stash", "@"],
    ["git stash -u -m note", "@"],
    ["git stash push -- a.ts", "a.ts/"],
    ["git stash pop", "@"],
    ["git stash list", ""],
    ["git clean -fd", "./"],
    ["git clean -n", ""],
    ["git clean -fd build", "build/"],
    ["git rm a.ts", "a.ts/"],
    ["git rm --cached a.ts", ""],
    ["git mv a.ts b.ts", "a.ts/ b.ts b.ts/a.ts/"],
    ["git merge feature", "@"],
    ["git rebase main", "@"],
    ["git pull --rebase", "@"],
    ["git cherry-pick abc", "@"],
    ["git -C sub reset --hard", "@sub"],
    ["cd sub && git stash", "@sub"],
    ["git -c core.pager=cat --no-pager show", ""],
    ["git apply fix.patch", "?"],
    ["git apply --check fix.patch", ""],
    ["git apply <<'EOF'\n--- a/x.ts\n+++ b/x.ts\n@@ -1 +1 @@\n-a\n+b\nEOF", "x.ts"],
    ["git clone https://x/y/repo.git", "repo/"],
    ["git worktree add ../side -b side", "/side/"],
    ["git worktree list", ""],
    ["git unheard-of", "?"],
  ]);
});

describe("patches and archives", () => {
  check([
    ["patch a.ts < fix.diff", "a.ts ?"],
    ["patch -p1 < fix.diff", "?"],
    ["patch -p1 <<'EOF'\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\nEOF", "x ?"],
    ["cat <<'EOF' | patch -p0\n--- x\n+++ x\n@@ -1 +1 @@\nEOF", "x ?"],
    ["apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: a\n+x\n*** End Patch\nEOF", "a"],
    [
      "cd sub && apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: a\n*** Move to: b\n*** End Patch\nEOF",
      "sub/a sub/b",
    ],
    ["apply_patch '*** Begin Patch\n*** Delete File: a\n*** End Patch'", "a"],
    ['apply_patch "$PATCH"', "?"],
    ["tar xzf a.tgz", "./"],
    ["tar -xf a.tar -C out", "out/"],
    ["tar czf a.tgz src", "a.tgz"],
    ["tar tf a.tar", ""],
    ["unzip a.zip -d out", "out/"],
    ["unzip -l a.zip", ""],
    ["zip -r a.zip src", "a.zip"],
  ]);
});

describe("commands within commands", () => {
  check([
    ["cd sub && touch a", "sub/a"],
    ["cd sub; touch a; cd ..; touch b", "sub/a b"],
    ["(cd sub && touch a); touch b", "sub/a b"],
    ["cd /tmp && touch a", "/tmp/a"],
    ["cd $DIR && touch a /b", "/b ?"],
    ["cd - && touch a", "?"],
    ["cd && touch a", "?"],
    ["cd sub || exit 1; touch a", "sub/a"],
    ["pushd sub && touch a && popd && touch b", "sub/a b"],
    ["touch a & touch b", "a b"],
    ["touch a\ntouch b", "a b"],
    ["touch a \\\n  b", "a b"],
    ["{ touch a; echo x; } > b", "a b"],
    ["if test -f a; then rm a; else touch b; fi", "a b"],
    ["if true; then cd sub; fi; touch a", "?"],
    ["if x=1; then cd sub; touch a; else touch b; fi", "sub/a b"],
    ["case $x in a) cd sub;; b) touch b;; esac; touch /c", "b /c"],
    ["mkdir sub && cd sub && touch a", "sub/a"],
    ["mkdir sub && cd sub; touch a", "sub/a ?"],
    ["(true && cd sub); touch a", "a"],
    ["cd sub | cat; touch a", "a"],
    ["cd sub & touch a", "a"],
    ["f() { cd sub; }; touch a", "a ?"],
    ["function f() { touch b; }; touch a", "a b"],
    ["for f in a b; do touch $f.ts; done", "a.ts b.ts"],
    ['for f in a b; do mv "$f" "$f.bak"; done', "a/ a.bak a.bak/a/ b/ b.bak b.bak/b/"],
    ["for f in *.ts; do sed -i 1d $f; done", "?"],
    ["for ((i=0;i<3;i++)); do touch a; done", "a"],
    ["while read f; do rm $f; done < list", "?"],
    ["while true; do touch a; break; done > log", "a log"],
    ["case $x in a|b) rm a;; (c) touch c;; *) ;; esac; touch d", "a c d"],
    ["f() { rm a; }; f", "a"],
    ["function f { rm a; }\nf x", "a"],
    ["! rm a", "a"],
    ["bash -c 'cd sub && rm a' && rm b", "sub/a b"],
    ["sh -ec 'touch a'", "a"],
    ["bash -lc \"touch 'it is'\"", "it_is"],
    ["bash script.sh", "?"],
    ["./script.sh", "?"],
    ["eval 'touch a'", "a"],
    ['eval "$X"', "?"],
    ["echo $(touch a)", "a"],
    ['echo "x $(cd sub; touch a) y"; touch b', "sub/a b"],
    ["echo `touch a`", "a"],
    ["x=$(touch a); touch b", "a b"],
    ["FOO=1 BAR=2 touch a", "a"],
    ["env -i FOO=1 touch a", "a"],
    ["env -C sub touch a", "sub/a"],
    ["sudo touch a", "a"],
    ["sudo -u me -E touch a", "a"],
    ["timeout 5 touch a", "a"],
    ["timeout -k 1 5 touch a", "a"],
    ["nice -n 5 nohup touch a &", "a"],
    ["time touch a", "a"],
    ["command touch a", "a"],
    ["command -v touch", ""],
    ["ls | xargs rm", "?"],
    ["ls | xargs -I % mv % dir/", "?"],
    ["ls | xargs grep x > out", "out"],
    ["ls | xargs touch a", "a ?"],
    ["find . -name '*.ts' -delete", "~**/*.ts"],
    ["find src lib -type f -delete", "src/ lib/"],
    ["find . -name '*.ts' -exec sed -i s/a/b/ {} +", "~**/*.ts"],
    ["find . -name a -o -name b -exec rm {} \\;", "./"],
    ["find . -exec grep x {} \\;", ""],
    ["find . -name '*.ts'", ""],
    ["python3 x.py", "?"],
    ["python3 -c \"open('a.txt','w').write('x')\"", "a.txt ?"],
    ["python3 - <<'EOF'\nfrom pathlib import Path\nPath('src/a.py').write_text('x')\nEOF", "src/a.py ?"],
    ['node -e \'fs.writeFileSync("a.js", "")\'', "a.js ?"],
    ["node --version", ""],
    ["npm test", "?"],
    ["npm install left-pad", "package.json package-lock.json ?"],
    ["npm ci", "?"],
    ["unheard-of a b", "?"],
    ["$TOOL a", "?"],
    ["", ""],
    ["   \n\n ", ""],
  ]);
});

describe("words", () => {
  check([
    ["touch {a,b}.ts", "a.ts b.ts"],
    ["touch a{,.bak}", "a a.bak"],
    ["touch {a,{b,c}}/x", "a/x b/x c/x"],
    ["touch f{1..3}", "f1 f2 f3"],
    ["touch f{1..100000}", "?"],
    ["touch '{a,b}'", "{a,b}"],
    ["touch {a}", "{a}"],
    ["touch a*b ?c", "~a*b ~?c"],
    ["touch 'a*b'", "a*b"],
    ["touch \"a\"'b'c", "abc"],
    ["touch app/[id]/x", "app/[id]/x ~app/[id]/x"],
    ["touch 'app/[id]'/*.ts", "~app/[[]id]/*.ts"],
    ["touch a[", "a["],
    ['F=a.ts; touch $F ${F}.bak "$F"', "a.ts a.ts.bak"],
    ["F='a b'; touch $F; touch \"$F.c\"", "a b a_b.c"],
    ["export F=a; touch $F", "a"],
    ["F=$(ls); touch $F", "?"],
    ["F=a; F+=b; touch $F", "?"],
    ['touch $PWD/a; cd sub; touch "$PWD/b"', "a sub/b"],
    ["read F; touch $F", "?"],
    ["F=a; if true; then F=b; fi; touch $F", "a b"],
    ["if true; then F=b; touch $F; fi; touch $F", "b ?"],
    ["F=a; if true; then F=b; else touch $F; fi", "a"],
    ["if F=a; then touch 1$F; else touch 2$F; fi", "1a 2a"],
    ["F=a; (F=b; touch $F); touch $F", "a b"],
    ["F=a; F=b | cat; touch $F", "a"],
    ["F=a; false || F=b; touch $F", "a b"],
    ["F=a; true && F=b && touch $F", "b"],
    ["F=a; true && F=b; touch $F", "b ?"],
    ["for f in a b; do g=$f.x; touch $g; done", "a.x b.x"],
    ["F=a; while true; do touch $F; F=b; done", "a ?"],
    ["f() { F=b; }; F=c; f; touch $F", "c ?"],
    ["touch ${F:-a}", "?"],
    ["touch $1", "?"],
    ["touch a$", "a$"],
    ["touch a\\", "a\\"],
    ["a=(1 2 3); touch b", "b"],
    ["touch 'unclosed", "unclosed ?"],
    ['touch "unclosed', "unclosed ?"],
    ["touch $(unclosed", "?"],
    ["touch a; ) ; touch b", "a b"],
    ["git restore 'it''s'", "its/"],
    ["touch ünï/çødé", "ünï/çødé"],
    ["touch a\r\ntouch b\r\n", "a b"],
  ]);
});

describe("where it runs", () => {
  it("an unknown folder leaves only absolute paths", () => {
    expect(writesOf("touch a /b", "")).toMatchObject({ paths: ["/b"], isCertain: false });
  });

  it("a folder of Windows", () => {
    expect(writesOf("touch src/a ../b C:/x/y", "C:\\repo").paths).toEqual([
      "C:/repo/src/a",
      "C:/b",
      "C:/x/y",
    ]);
  });

  it("a folder whose name would be a pattern", () => {
    expect(writesOf("touch *.ts", "/r/[x]").patterns).toEqual(["/r/[[]x]/*.ts"]);
  });
});

describe("whatever the command", () => {
  const word = fc.constantFrom(
    ..."cd rm mv sed -i git checkout -- bash -c find -exec {} + ; xargs for f in do done if then fi case esac".split(
      " ",
    ),
    ..."$( ) ` \" ' ( { } (( )) [[ ]] << <<EOF EOF <<- <( >( > >> >& 2>&1 | && || & \n ; $x ${x ${x} $(( a=( * [ ] ~ \\ #".split(
      " ",
    ),
    "{a,b}",
    "a.ts",
    "x=1",
    "for f in a b; do",
    "<<'E'\n",
    "\nE\n",
  );
  const commands = fc.oneof(
    fc.array(word, { maxLength: 40 }).map((words) => words.join(" ")),
    fc.array(word, { maxLength: 40 }).map((words) => words.join("")),
    fc.string({ unit: "binary", maxLength: 200 }),
  );

  it("never throws, and what comes out is bounded, absolute and without dots", () => {
    fc.assert(
      fc.property(commands, (command) => {
        const { paths, trees, patterns, worktrees } = writesOf(command, "/r");
        for (const path of [...paths, ...patterns, ...worktrees]) {
          expect(path).toMatch(/^(?:\/|[A-Za-z]:\/)/);
          expect(path).not.toMatch(/\/\.{1,2}(?:\/|$)|\/\/|\0/);
        }
        for (const tree of trees) expect(paths).toContain(tree);
        expect(Math.max(paths.length, patterns.length)).toBeLessThanOrEqual(limits.hookPathsMax);
      }),
      { numRuns: 4000 },
    );
  });

  it("a write is found wherever it stands among harmless commands", () => {
    const harmless = fc.constantFrom(
      "ls -la",
      "echo 'a;b'",
      "true",
      "cat <<'E'\nrm x\nE\n:",
      'echo "$(date)"',
      "x=1",
    );
    const between = fc.constantFrom(" && ", "; ", "\n", " || ", " | ");
    const list = fc.array(fc.tuple(harmless, between), { maxLength: 5 });
    fc.assert(
      fc.property(list, list, (before, after) => {
        const first = before.map(([command]) => command).join("\n");
        const last = after.map(([command]) => command).join("\n");
        const text = `${first}\nsed -i s/a/b/ src/a.ts\n${last}`;
        expect(writesOf(text, "/r")).toMatchObject({ paths: ["/r/src/a.ts"], isCertain: true });
        const nested = after.reduce((inner, _, i) => (i < 2 ? `(${inner}\n)` : inner), text);
        expect(writesOf(nested, "/r").paths).toEqual(["/r/src/a.ts"]);
      }),
      { numRuns: 500 },
    );
  });

  const full = limits.hookCommandMax;
  const many = (unit: string) => unit.repeat(Math.floor(full / unit.length));
  it.each([
    ["brackets", many("(")],
    ["commands in commands", many("$(")],
    ["quotes in commands", many('"$(')],
    ["backticks", many("`")],
    ["names", many("${")],
    ["arithmetic", many("((")],
    ["arithmetic values", many("$((")],
    ["tests", many("[[ ")],
    ["classes", `touch ${many("[")}`],
    ["braces", `touch ${many("{")}`],
    ["braces with commas", `touch ${many("{a,")}`],
    ["short words of braces", many("{a,b}{a,b}{a,b}{a,b} ")],
    ["stars", `rm ${many("*")}`],
    ["short words of classes", many(`rm ${"[".repeat(4000)} `)],
    ["here-documents", many("<<A ")],
    ["here-documents in commands", many("$(cat <<A\n")],
    ["ends of lines", many("\n")],
    ["redirections", many("> a ")],
    ["pipes into", many(">(")],
    ["escapes", many("\\")],
    ["sudo", many("sudo ")],
    ["xargs", many("xargs ")],
    ["shells", many("bash -c '")],
    ["loops", many("for f in {1..60}; do touch $f; ")],
    ["loops over names", `${many("for f in a b c d; do x=$f$x; ")}touch $x`],
    ["evaluation", `x='${"touch a;".repeat(9000)}'; ${'eval "$x";'.repeat(9000)}`],
    ["code", `python3 -c '${many("open(").slice(0, -20)}'`],
    ["words of sed", `sed -i '${many("w ")}`],
    ["find", many("find . -exec ")],
    ["patches", `apply_patch <<'E'\n*** Begin Patch\n${many("*** Add File: a\n")}`],
    ["beyond the bound", `${many("true; ")}true; touch lost`],
  ])("%s by the thousand take no time", (_, command) => {
    const before = performance.now();
    writesOf(command, "/r");
    expect(performance.now() - before).toBeLessThan(5000);
  });

  it("what is too long is read as far as it goes, and never certain", () => {
    const command = `touch a\n${" ".repeat(full)}\ntouch b`;
    expect(writesOf(command, "/r")).toMatchObject({ paths: ["/r/a"], isCertain: false });
    const words = `touch ${Array.from({ length: limits.hookPathsMax + 1 }, (_, i) => `f${i}`).join(" ")}`;
    const writes = writesOf(words, "/r");
    expect([writes.paths.length, writes.isCertain]).toEqual([limits.hookPathsMax, false]);
  });
});
