/*
 * The socket that crsbackupctl speaks to: lines in, lines out. It knows no verb.
 *
 * A client sends requests, a line each; one is answered after the other. What wants attention is
 * filed, and the owner of the loop takes it up in its turn by control_socket_next(): a client whose
 * request stands whole in its buffer, or one whose last part is written and that wants the next.
 * Each client that next() gave must be answered, put aside by control_client_wait(), or ended.
 *
 * Bounds: CONTROL_CLIENTS_MAX clients; of each a request of CONTROL_REQUEST_MAX bytes and an
 * answer's part of CONTROL_PART_MAX that the kernel has not taken. Nothing is read of a client
 * while it is answered. Who is slow is closed: CONTROL_SLOW_MS from the first byte to the end of a
 * request, and between two reads of an answer; CONTROL_IDLE_MS without a request.
 *
 * The file has mode 0660: who is let in by it may ask. control_client_may_change() says who may do
 * more.
 */
#pragma once

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct control_socket;
struct control_client;
struct uv_loop_s;

#define CONTROL_CLIENTS_MAX 64
#define CONTROL_CLIENTS_KEPT 8 /* of those, for root and the daemon's own user */
#define CONTROL_REQUEST_MAX (256 * 1024)
#define CONTROL_PART_MAX (64 * 1024)
#define CONTROL_SLOW_MS 10000
#define CONTROL_IDLE_MS 60000

struct control_calls {
    void *context;
    /* The client is gone, and with it what control_client_keep() gave it. */
    void (*dropped)(void *context, void *kept);
};

/*
 * A socket file that nobody listens on any more is replaced; anything else at `path`, or a daemon
 * that lives, is left alone. PATH.lock is held as long as the socket is open.
 * Outcomes: 0, *ret owned by the caller; -EBUSY (a daemon has it), -EEXIST (no socket), -ENOENT,
 * -EACCES and the like, -ENAMETOOLONG, -ENOMEM; all with a text.
 */
int control_socket_open(struct uv_loop_s *loop, const char *path, const struct control_calls *calls,
                        struct control_socket **ret, struct errtext *err) MUST_CHECK;

/*
 * Makes a link at `place` that leads to the socket, for those who know only where it is by default.
 * It goes with the socket. A link or a dead socket that is there is replaced.
 * Outcomes: 0; negative as of control_socket_open(), with a text.
 */
int control_socket_link(struct control_socket *socket, const char *place,
                        struct errtext *err) MUST_CHECK;

/* A client that wants attention, each in turn; NULL: none. */
struct control_client *control_socket_next(struct control_socket *socket);

/* Whether next() would give one. */
bool control_socket_has_next(const struct control_socket *socket);

unsigned control_socket_clients(const struct control_socket *socket);

/*
 * Closing is a phase: the file is removed, all clients are dropped; the loop then ends without
 * them. destroy() after the loop has ended. NULL is fine in both.
 */
void control_socket_close(struct control_socket *socket);
void control_socket_destroy(struct control_socket *socket);

/* The request, without its line feed, until the last part of its answer is given. */
const char *control_client_request(const struct control_client *client, size_t *ret_length);

/* Something of the owner's for this client's present request; NULL at its beginning. */
void control_client_keep(struct control_client *client, void *kept);
void *control_client_kept(const struct control_client *client);

/*
 * The next part of the answer, at most CONTROL_PART_MAX bytes, line feeds included; copied. After
 * the last one the next request is looked for; before, the client comes back by next() when the
 * part is written. `kept` is the owner's to free before the last part.
 */
void control_client_answer(struct control_client *client, const char *bytes, size_t length,
                           bool last);

/* It stays out of next() until control_client_resume(). */
void control_client_wait(struct control_client *client);
void control_client_resume(struct control_client *client);

/* Who asks, as the kernel said when the connection was made. */
uid_t control_client_uid(const struct control_client *client);
pid_t control_client_pid(const struct control_client *client);

/* Root, the daemon's own user, and the members of the socket file's group. */
bool control_client_may_change(const struct control_client *client);
