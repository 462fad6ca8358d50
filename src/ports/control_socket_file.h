/*
 * The file of the control socket: who may have it, and its end. Private to control_socket*.c.
 */
#pragma once

#include "base/result.h"

#include <sys/types.h>

struct socket_file {
    int fd;    /* listens, does not block */
    int lock;  /* PATH.lock */
    gid_t gid; /* of the file */
    dev_t device;
    ino_t inode;
    char *path; /* owned */
    char *link; /* owned; leads to `path`; NULL: there is none */
};

/* Outcomes: those of control_socket_open(). */
int socket_file_open(const char *path, struct socket_file *ret, struct errtext *err) MUST_CHECK;

/* Outcomes: those of control_socket_link(). */
int socket_file_link(struct socket_file *file, const char *place, struct errtext *err) MUST_CHECK;

/* Removes the file, where it is still ours, its link and its lock. Twice is harmless. */
void socket_file_close(struct socket_file *file);
