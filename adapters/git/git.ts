/**
 * Running git: the one place that starts it, and what it says when it fails.
 */
export {};
