/*
 * Purpose-made servers on the loopback, each connection served by a function of the test on a
 * thread of its own, and certificates made on the spot. Not bytes of a real cloud: each is as
 * impolite as its test needs.
 */
#pragma once

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* ---- certificates, in a directory of their own ---- */

enum certificate {
    CERTIFICATE_GOOD,      /* localhost and 127.0.0.1, signed by the CA */
    CERTIFICATE_EXPIRED,   /* the same, over since yesterday */
    CERTIFICATE_ELSEWHERE, /* another host's name */
    CERTIFICATE_STRANGER,  /* signed by itself */
    CERTIFICATE_COUNT,
};

struct certificates {
    char directory[64];
    char ca_file[96];
    char other_ca_file[96]; /* of a CA that signed nothing */
    X509 *certificate[CERTIFICATE_COUNT];
    EVP_PKEY *key[CERTIFICATE_COUNT];
};

void certificates_make(struct certificates *c);
void certificates_finish(struct certificates *c);

/* ---- servers ---- */

struct peer {
    struct server *server;
    int fd;
    SSL *ssl;   /* NULL: plain */
    int number; /* of the connection, from 1 */
    struct peer *next;
    pthread_t thread;
};

struct server {
    int listener;
    int port;
    SSL_CTX *context; /* NULL: plain HTTP */
    bool raw;         /* no handshake before serve() */
    void (*serve)(struct server *server, struct peer *peer);
    atomic_int connections;
    atomic_int requests; /* read whole */
    atomic_int ready;    /* connections that reached serve() */
    atomic_bool stopping;
    atomic_int step; /* for the tests: what a serve() waits for, see server_wait() */
    pthread_t thread;
    pthread_mutex_t mutex;
    struct peer *peers;
    char head[8192]; /* of the latest request */
    char body[8192];
};

/* `tls_version` 0: plain; else TLS1_2_VERSION or TLS1_3_VERSION as the highest. */
void server_start(struct server *s, void (*serve)(struct server *, struct peer *),
                  const struct certificates *certificates, enum certificate which, int tls_version);
void server_stop(struct server *s);
int server_open(struct server *s); /* connections that have not ended */

/* From serve(): waits till the test lets it go on to `step` (or the server stops: false). */
bool server_wait(struct server *s, int step);
void server_go(struct server *s, int step);

bool peer_read_request(struct peer *p); /* false: the connection ended before it was whole */
bool peer_write(struct peer *p, const char *bytes, size_t length);
bool peer_answer(struct peer *p, const char *body); /* 200, kept alive */
void peer_reset(struct peer *p);                    /* RST instead of an orderly end */

/* Serves the same answer as long as requests come. */
void serve_answers(struct server *s, struct peer *p);

/* A proxy: grants a CONNECT to localhost:PORT and carries the bytes both ways. */
void serve_tunnel(struct server *s, struct peer *p);

/*
 * Listens on 127.0.0.3 at the port, with its queue full: connecting there takes for ever. Returns
 * what unclog() ends.
 */
struct clog {
    int fds[8];
};
struct clog clog_queue(int port);
void unclog(struct clog *c);

/* A port of the loopback on which nobody listens. */
int closed_port(void);
