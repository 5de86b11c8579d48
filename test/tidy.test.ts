/**
 * The rules of the house that the compiler cannot see.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folders = ["core", "transports", "adapters", "benchmarks", "test"];

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === "dist" ? [] : walk(path);
    return [path];
  });
}

const files = folders.flatMap((folder) => walk(join(root, folder)));
const named = files.map((path) => relative(root, path).split(sep).join("/"));
const sources = named.filter((name) => name.endsWith(".ts"));
const product = sources.filter((name) => !name.startsWith("test/") && !name.startsWith("benchmarks/"));
const text = (name: string) => readFileSync(join(root, name), "utf8");
/** Without comments and strings, so that prose may name what code may not. */
const code = (name: string) =>
  text(name)
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""')
    .replace(/(^|[^:])\/\/.*$/gm, "$1");
const imports = (name: string) =>
  [...text(name).matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, path]) => path ?? "");
const resolved = (name: string) =>
  imports(name).map((path) => join(dirname(name), path).split(sep).join("/"));

/** Files that break a rule, each with what breaks it. */
function offenders(among: readonly string[], breaks: (name: string) => string | undefined): string[] {
  return among.flatMap((name) => {
    const why = breaks(name);
    return why === undefined ? [] : [`${name}: ${why}`];
  });
}

describe("files", () => {
  it("say in their first lines what they are responsible for", () => {
    expect(
      offenders(sources, (name) => (/^(#!.*\n)?\/\*\*/.test(text(name)) ? undefined : "no first comment")),
    ).toEqual([]);
  });

  it("are not called by names that hide a missing concept", () => {
    const bad = /(^|\/)(utils?|helpers?|common|shared|types|misc|manager)(\.|\/|$)/;
    expect(sources.filter((name) => bad.test(name))).toEqual([]);
  });

  it("stay under 500 lines, half of the product's under 250, lines within 110 characters", () => {
    const lengths = product.map((name) => text(name).split("\n").length);
    expect(
      offenders(product, (name) => (text(name).split("\n").length > 500 ? "over 500 lines" : undefined)),
    ).toEqual([]);
    expect([...lengths].sort((a, b) => a - b)[lengths.length >> 1]).toBeLessThan(250);
    // A sentence for people may stand on one line, so that it can be found.
    const tooLong = (line: string) => line.length > (/["`]/.test(line) ? 130 : 110);
    const long = (name: string) => text(name).split("\n").findIndex(tooLong);
    expect(
      offenders(product, (name) => (long(name) < 0 ? undefined : `line ${long(name) + 1} is too long`)),
    ).toEqual([]);
  });

  it("export names, never a default or everything", () => {
    const bad = (name: string) => /^export (default|\*)/m.exec(code(name))?.[0];
    expect(
      offenders(
        sources.filter((name) => !name.endsWith("vitest.config.ts")),
        bad,
      ),
    ).toEqual([]);
  });

  it("use no `any`, enum or namespace, and silence no check", () => {
    const bad = (name: string) =>
      /(: any\b|\bas any\b|<any>|^(export )?(const )?enum |^(export )?namespace )/m.exec(code(name))?.[0] ??
      /@ts-(ignore|nocheck|expect-error)/.exec(text(name))?.[0];
    expect(offenders(product, bad)).toEqual([]);
  });

  it("skip no test without a reason", () => {
    const bad = (name: string) => /\b(it|test|describe)\.(only|todo|skip)\(/.exec(code(name))?.[0];
    expect(
      offenders(
        sources.filter((name) => name.startsWith("test/")),
        bad,
      ),
    ).toEqual([]);
  });

  it("speak of no machine, registry or workplace", () => {
    const bad = /(\/work\/|\/root\/|\/home\/\w|registry\.npmjs|\bfarm\b)/;
    const prose = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "package.json"];
    expect(
      offenders([...named.filter((name) => /\.(ts|md|sh|py|json)$/.test(name)), ...prose], (name) =>
        name === "test/tidy.test.ts" ? undefined : bad.exec(text(name))?.[0],
      ),
    ).toEqual([]);
  });
});

describe("core", () => {
  const core = product.filter((name) => name.startsWith("core/"));

  it("has no clock, chance, timer or outside world of its own", () => {
    const bad =
      /\b(Date\.now|new Date|Math\.random|setTimeout|setInterval|setImmediate|performance\.|process\.|fetch\()|from "node:/;
    expect(offenders(core, (name) => bad.exec(code(name))?.[0])).toEqual([]);
    expect(offenders(core, (name) => /"node:[^"]*"/.exec(text(name))?.[0])).toEqual([]);
  });

  it("folds the same on every build: no locale, no Intl, in the model", () => {
    const bad = /\b(localeCompare|Intl\.|toLocale\w*)/;
    expect(
      offenders(
        core.filter((name) => name.startsWith("core/model/")),
        (name) => bad.exec(code(name))?.[0],
      ),
    ).toEqual([]);
  });

  it("is layered: model, then ports and protocol, then engine and client apart", () => {
    const allowed: Record<string, readonly string[]> = {
      model: ["model"],
      ports: ["model", "ports"],
      protocol: ["model", "ports", "protocol"],
      engine: ["model", "ports", "protocol", "engine"],
      client: ["model", "ports", "protocol", "client"],
    };
    const bad = (name: string) => {
      const layer = name.split("/")[1] ?? "";
      const may = allowed[layer];
      if (may === undefined) return undefined;
      return resolved(name).find((path) => {
        const [top, target] = path.split("/");
        const ground = path === "core/limits.ts" || path === "core/failures.ts";
        return !ground && (top !== "core" || !may.includes(target ?? ""));
      });
    };
    expect(offenders(core, bad)).toEqual([]);
  });

  it("knows no noun outside the model", () => {
    const nouns = /"(claim|task|message|document|block|checkpoint|resource|decision|activity|progress)\.\w+"/;
    // The reference explains the protocol by examples.
    const outside = core.filter((name) => /^core\/(engine|protocol|ports)\/(?!reference)/.test(name));
    expect(
      offenders(outside, (name) => nouns.exec(text(name).replace(/\/\*[\s\S]*?\*\//g, ""))?.[0]),
    ).toEqual([]);
  });
});

describe("leaves", () => {
  const roots = new Set(["adapters/cli", "adapters/node"]);

  it("import core, themselves, adapters/place and transports/socket; only the composition roots see everything", () => {
    const leaf = (name: string) => name.split("/").slice(0, 2).join("/");
    const bad = (name: string) =>
      resolved(name).find((path) => {
        if (path.startsWith("core/") || leaf(path) === leaf(name)) return false;
        // Where a program stands (repository, hub, name) is asked by every adapter and must have one answer.
        if (name.startsWith("adapters/") && leaf(path) === "adapters/place") return false;
        // How a port is bound and why a hub was not reached must read the same on every socket.
        if (name.startsWith("transports/") && leaf(path) === "transports/socket") return false;
        // The registry of a folder names its leaves.
        return name !== "transports/index.ts";
      });
    const leaves = product.filter(
      (name) => (name.startsWith("transports/") || name.startsWith("adapters/")) && !roots.has(leaf(name)),
    );
    expect(offenders(leaves, bad)).toEqual([]);
  });
});

describe("the map", () => {
  it("ARCHITECTURE.md has at most 250 lines and mentions every folder, and every file of the core", () => {
    const map = text("ARCHITECTURE.md");
    expect(map.split("\n").length).toBeLessThanOrEqual(251);
    const missing = product
      .filter((name) => name.startsWith("core/"))
      .filter((name) => !map.includes(name.split("/").pop()?.replace(/\.ts$/, "") ?? name));
    expect(missing).toEqual([]);
    const leaves = new Set(product.filter((name) => !name.startsWith("core/")).map((name) => dirname(name)));
    expect([...leaves].filter((folder) => !map.includes(folder.split("/").pop() ?? folder))).toEqual([]);
  });

  it("the top level is what it says", () => {
    const allowed = new Set([
      "package.json",
      "package-lock.json",
      "tsconfig.json",
      "tsconfig.base.json",
      "biome.json",
      "vitest.config.ts",
      "core",
      "transports",
      "adapters",
      "benchmarks",
      "test",
      "ARCHITECTURE.md",
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "node_modules",
      "dist",
    ]);
    const there = readdirSync(root).filter((name) => !name.startsWith(".") && !name.endsWith(".tgz"));
    expect(there.filter((name) => !allowed.has(name))).toEqual([]);
  });

  it("every dependency has its reason", () => {
    const { dependencies } = JSON.parse(text("package.json")) as { dependencies: Record<string, string> };
    const map = text("ARCHITECTURE.md");
    expect(Object.keys(dependencies).filter((name) => !map.includes(name))).toEqual([]);
    expect(statSync(join(root, "package-lock.json")).size).toBeGreaterThan(1000);
  });
});
