/**
 * A file for the words of a hub in the background: bounded, with one older file kept beside it.
 */
import { appendFileSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";

/** Where the hub of a log in a folder says what it has to say. */
export function wordsFile(folder: string): string {
  return join(folder, "hub.log");
}

/** Appends a line with its time; where that cannot be done the line is lost, and nothing else. */
export function appendWords(file: string, words: string): void {
  try {
    makeRoom(file);
    appendFileSync(file, `${new Date().toISOString()} ${words}\n`, { mode: 0o600 });
  } catch {
    // A hub serves on without its words.
  }
}

/** Opens the file to be appended to by a process that is started. */
export function openWords(file: string): number {
  makeRoom(file);
  return openSync(file, "a", 0o600);
}

/** Its last lines. */
export function lastWords(file: string, lines: number): readonly string[] {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines);
  } catch {
    return [];
  }
}

function makeRoom(file: string): void {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) < limits.hubWordsBytesMax) return;
  // A process that holds the file open goes on in the older one.
  renameSync(file, `${file}.1`);
}
