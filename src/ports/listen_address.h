/*
 * An address to listen on, as the configuration writes it: IPV4:PORT or [IPV6]:PORT. Names are not
 * taken: looking one up could wait, and could change.
 */
#pragma once

#include "base/result.h"

#include <stdbool.h>
#include <sys/socket.h>

struct listen_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

/* The port is 1 to 65535. Outcomes: 0; -EINVAL with a text. */
int listen_address_parse(const char *text, struct listen_address *ret,
                         struct errtext *err) MUST_CHECK;

/* Whether only this host can reach it. */
bool listen_address_is_loopback(const struct listen_address *address);
