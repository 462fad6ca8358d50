/* See listen_address.h. */
#include "ports/listen_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DIGITS_MAX 5

static int refuse(struct errtext *err, const char *what)
{
    return errtext_set(err, -EINVAL, "%s; write 127.0.0.1:9746 or [::1]:9746", what);
}

/* 0 for anything that is not a port. */
static in_port_t parse_port(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > PORT_DIGITS_MAX || strspn(text, "0123456789") != length)
        return 0;
    long port = strtol(text, NULL, 10);
    return port > UINT16_MAX ? 0 : (in_port_t)port;
}

static bool set_address(const char *host, bool bracketed, in_port_t port,
                        struct listen_address *ret)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bracketed && inet_pton(AF_INET6, host, &six.sin6_addr) == 1) {
        memcpy(&ret->storage, &six, sizeof six);
        ret->length = sizeof six;
        return true;
    }
    if (!bracketed && inet_pton(AF_INET, host, &four.sin_addr) == 1) {
        memcpy(&ret->storage, &four, sizeof four);
        ret->length = sizeof four;
        return true;
    }
    return false;
}

int listen_address_parse(const char *text, struct listen_address *ret, struct errtext *err)
{
    char host[INET6_ADDRSTRLEN];
    bool bracketed = text[0] == '[';
    const char *begin = text + (bracketed ? 1 : 0);
    const char *end = strchr(begin, bracketed ? ']' : ':');
    const char *colon = end == NULL || !bracketed ? end : end + 1;
    if (end == NULL || *colon != ':' || (!bracketed && strchr(colon + 1, ':') != NULL))
        return refuse(err, "needs an address and a port, and [ ] around an IPv6 address");
    size_t length = (size_t)(end - begin);
    in_port_t port = parse_port(colon + 1);
    if (port == 0)
        return refuse(err, "the port is a number from 1 to 65535");
    struct listen_address address = {0};
    if (length < sizeof host) {
        memcpy(host, begin, length);
        host[length] = '\0';
    }
    if (length >= sizeof host || !set_address(host, bracketed, port, &address))
        return refuse(err, "the host is an IPv4 or an IPv6 address, not a name");
    *ret = address;
    return 0;
}

bool listen_address_is_loopback(const struct listen_address *address)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (address->storage.ss_family == AF_INET) {
        memcpy(&four, &address->storage, sizeof four);
        return ntohl(four.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    memcpy(&six, &address->storage, sizeof six);
    return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr)
           || (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr) && six.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
}
