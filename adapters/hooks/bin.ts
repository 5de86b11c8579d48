#!/usr/bin/env node
/**
 * The program `holdfast-hook HOST [EVENT]`, which `holdfast hook HOST [EVENT]` is, too.
 */
import { runHook } from "./command.ts";

const [first, second, third] = process.argv.slice(2);
if (first === "hook") runHook(second ?? "", third);
else runHook(first ?? "", second);
