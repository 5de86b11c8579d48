#!/usr/bin/env node
/**
 * The program `holdfast-hook HOST [EVENT] [--when-down]`, which `holdfast hook …` is, too.
 */
import { runHook } from "./command.ts";

const words = process.argv.slice(2);
const [host = "", event] = words.filter(
  (word, at) => !(word === "--when-down" || (at === 0 && word === "hook")),
);
runHook(host, event, words.includes("--when-down"));
