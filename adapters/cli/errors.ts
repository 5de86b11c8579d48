/**
 * What is thrown, in one place: the bundle's pieces must agree on what a refusal and a failure are.
 */
export { errorOf, isPassing, Refused } from "../../core/client/refused.ts";
export { assert, Failure, type FailureCode, Fault, never } from "../../core/failures.ts";
