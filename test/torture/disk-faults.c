/*
 * A library to be preloaded: the Nth call that changes a file under a folder goes wrong, as a failing disk or a sudden
 * end of the process would have it.
 *
 *   DISK_UNDER  the folder
 *   DISK_TRACE  a file outside of it: a line "N call path" for each such call
 *   DISK_AT     N; absent: none goes wrong
 *   DISK_DO     eio: fails once, without effect    eio-done: fails once, but took effect
 *               eio-on: it and all later ones fail enospc: fails once for lack of room
 *               kill: the process ends before it   kill-done: the process ends behind it
 *               torn: half of a write, then the process ends
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static long calls;
static int trace = -1;

enum { PASS, EIO_ONCE, EIO_DONE, FULL, KILL, KILL_DONE, TORN };

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

static int under(const char *path) {
  const char *folder = getenv("DISK_UNDER");
  return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int decide(const char *call, const char *path) {
  if (!under(path)) return PASS;
  long n = __sync_add_and_fetch(&calls, 1);
  const char *traced = getenv("DISK_TRACE");
  if (traced != NULL) {
    static ssize_t (*put)(int, const void *, size_t);
    if (put == NULL) put = dlsym(RTLD_NEXT, "write");
    if (trace < 0) trace = open(traced, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", n, call, path);
    if (put(trace, line, length) < 0) return PASS;
  }
  const char *at = getenv("DISK_AT"), *what = getenv("DISK_DO");
  if (at == NULL || what == NULL) return PASS;
  long wanted = atol(at);
  if (strcmp(what, "eio-on") == 0) return n >= wanted ? EIO_ONCE : PASS;
  if (n != wanted) return PASS;
  if (strcmp(what, "eio") == 0) return EIO_ONCE;
  if (strcmp(what, "eio-done") == 0) return EIO_DONE;
  if (strcmp(what, "enospc") == 0) return FULL;
  if (strcmp(what, "kill") == 0) return KILL;
  if (strcmp(what, "kill-done") == 0) return KILL_DONE;
  if (strcmp(what, "torn") == 0) return TORN;
  return PASS;
}

static int decide_fd(const char *call, int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return PASS;
  path[length] = 0;
  return decide(call, path);
}

#define REAL(name, type) static type real; if (real == NULL) real = (type)dlsym(RTLD_NEXT, name)
#define AROUND(fate, act, half)                                             \
  switch (fate) {                                                           \
    case EIO_ONCE: errno = EIO; return -1;                                  \
    case FULL: errno = ENOSPC; return -1;                                   \
    case KILL: die(); break;                                                \
    case TORN: (void)!(half); die(); break;                                 \
    case KILL_DONE: (void)!(act); die(); break;                             \
    case EIO_DONE: (void)!(act); errno = EIO; return -1;                    \
  }                                                                         \
  return act

typedef int (*sync_call)(int);
int fsync(int fd) { REAL("fsync", sync_call); AROUND(decide_fd("fsync", fd), real(fd), 0); }
int fdatasync(int fd) { REAL("fdatasync", sync_call); AROUND(decide_fd("fdatasync", fd), real(fd), 0); }

typedef int (*cut_call)(int, off_t);
int ftruncate(int fd, off_t size) { REAL("ftruncate", cut_call); AROUND(decide_fd("ftruncate", fd), real(fd, size), 0); }
int ftruncate64(int fd, off_t size) { REAL("ftruncate64", cut_call); AROUND(decide_fd("ftruncate", fd), real(fd, size), 0); }

typedef int (*rename_call)(const char *, const char *);
int rename(const char *from, const char *to) {
  REAL("rename", rename_call);
  AROUND(decide("rename", to), real(from, to), 0);
}

typedef ssize_t (*write_call)(int, const void *, size_t);
ssize_t write(int fd, const void *bytes, size_t size) {
  REAL("write", write_call);
  AROUND(decide_fd("write", fd), real(fd, bytes, size), real(fd, bytes, size / 2));
}

typedef ssize_t (*pwrite_call)(int, const void *, size_t, off_t);
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  REAL("pwrite", pwrite_call);
  AROUND(decide_fd("pwrite", fd), real(fd, bytes, size, at), real(fd, bytes, size / 2, at));
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) {
  REAL("pwrite64", pwrite_call);
  AROUND(decide_fd("pwrite", fd), real(fd, bytes, size, at), real(fd, bytes, size / 2, at));
}

typedef ssize_t (*writev_call)(int, const struct iovec *, int);
ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL("writev", writev_call);
  AROUND(decide_fd("writev", fd), real(fd, parts, count), real(fd, parts, (count + 1) / 2));
}
