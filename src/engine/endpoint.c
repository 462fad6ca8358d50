/*
 * The names that a configuration may hold and the hosts where requests enter; see model.h.
 *
 * A URL is taken apart by hand, since only "scheme://host[:port][/]" is allowed: whatever is left
 * over (a user, a path, a query) is refused and never echoed, as it may hold a secret.
 */
#include "engine/model.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

bool model_instance_id_is_valid(const char *id, size_t length)
{
    if (length < sizeof "crs-" || length > MODEL_INSTANCE_ID_MAX || memcmp(id, "crs-", 4) != 0)
        return false;
    for (size_t i = 4; i < length; i++)
        if (!is_lower(id[i]) && !is_digit(id[i]))
            return false;
    return true;
}

bool model_region_is_valid(const char *region, size_t length)
{
    if (length == 0 || length > MODEL_REGION_MAX || region[0] == '-' || region[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_lower(region[i]) && !is_digit(region[i]) && region[i] != '-')
            return false;
    return true;
}

bool model_name_is_valid(const char *name, size_t length)
{
    if (length == 0 || length > MODEL_NAME_MAX || name[0] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_lower(name[i]) && !is_upper(name[i]) && !is_digit(name[i])
            && (name[i] == '\0' || strchr("._-", name[i]) == NULL))
            return false;
    return true;
}

/* The parts of "host[:port]": the host's length and the port, -1 where there is none. */
static int split_authority(const char *authority, size_t length, size_t *ret_host, int *ret_port)
{
    size_t host = 0;
    if (length > 0 && authority[0] == '[') {
        while (host < length && authority[host] != ']')
            host++;
        if (host == length)
            return -EINVAL;
        host++;
    } else {
        while (host < length && authority[host] != ':')
            host++;
    }
    int port = -1;
    if (host < length) {
        if (authority[host] != ':' || length - host - 1 < 1 || length - host - 1 > 5)
            return -EINVAL;
        port = 0;
        for (size_t i = host + 1; i < length; i++) {
            if (!is_digit(authority[i]))
                return -EINVAL;
            port = port * 10 + (authority[i] - '0');
        }
        if (port < 1 || port > 65535)
            return -EINVAL;
    }
    *ret_host = host;
    *ret_port = port;
    return 0;
}

static bool host_is_valid(const char *host, size_t length)
{
    if (length == 0)
        return false;
    if (host[0] == '[') {
        for (size_t i = 1; i + 1 < length; i++)
            if (strchr("0123456789abcdefABCDEF:.", host[i]) == NULL || host[i] == '\0')
                return false;
        return length >= 4 && memchr(host, ':', length) != NULL;
    }
    for (size_t i = 0; i < length; i++) {
        bool edge = i == 0 || i + 1 == length || host[i - 1] == '.' || host[i + 1] == '.';
        bool alphanumeric = is_lower(host[i]) || is_upper(host[i]) || is_digit(host[i]);
        if (!alphanumeric && ((host[i] != '-' && host[i] != '.') || edge))
            return false;
    }
    return true;
}

/* 127.0.0.0/8 in four decimal parts, ::1, or the name localhost. */
static bool host_is_loopback(const char *host, size_t length)
{
    if ((length == 9 && memcmp(host, "localhost", 9) == 0)
        || (length == 5 && memcmp(host, "[::1]", 5) == 0))
        return true;
    if (length < 9 || memcmp(host, "127.", 4) != 0)
        return false;
    int parts = 1;
    int value = 0;
    int digits = 0;
    for (size_t i = 4; i <= length; i++) {
        if (i < length && is_digit(host[i])) {
            value = value * 10 + (host[i] - '0');
            if (++digits > 3 || value > 255)
                return false;
            continue;
        }
        if (digits == 0 || (i < length && host[i] != '.'))
            return false;
        parts++;
        value = 0;
        digits = 0;
    }
    return parts == 4;
}

/*
 * Takes "scheme://host[:port][/]" apart; `start` is behind the "://". The host is written in lower
 * case and the scheme's own port is left out, so that equal places are one host.
 */
static int write_url(const char *scheme, int own_port, const char *start, char ret[MODEL_URL_MAX],
                     bool loopback_only, struct errtext *err)
{
    size_t length = strlen(start);
    if (length > 0 && start[length - 1] == '/')
        length--;
    size_t host_length;
    int port;
    if (length > MODEL_HOST_MAX || split_authority(start, length, &host_length, &port) != 0
        || !host_is_valid(start, host_length))
        return errtext_set(err, -EINVAL,
                           "the URL is not %s://host or %s://host:port; a path, a query or a user "
                           "name does not belong in it",
                           scheme, scheme);
    char url[MODEL_URL_MAX];
    struct text t = text_over(url, sizeof url);
    text_addf(&t, "%s://", scheme);
    size_t host_at = t.length;
    text_add_bytes(&t, start, host_length);
    for (size_t i = host_at; i < t.length; i++)
        if (is_upper(url[i]))
            url[i] = (char)(url[i] - 'A' + 'a');
    if (loopback_only && !host_is_loopback(url + host_at, host_length))
        return errtext_set(err, -EINVAL,
                           "http:// is allowed to a loopback address only; write https://");
    if (port != -1 && port != own_port)
        text_addf(&t, ":%d", port);
    text_add(&t, "/");
    if (t.cut)
        return errtext_set(err, -EINVAL, "the URL is longer than %d bytes", MODEL_HOST_MAX);
    memcpy(ret, url, t.length + 1);
    return 0;
}

int model_endpoint_url(const char *endpoint, const char *region, char ret[MODEL_URL_MAX],
                       struct errtext *err)
{
    static const struct {
        const char *word;
        const char *label; /* between "redis." and the domain; NULL for the region itself */
    } rows[] = {
        {"nearest", ""},
        {"regional", NULL},
        {"internal", "internal."},
        {"international", "intl."},
    };
    if (strncmp(endpoint, "https://", 8) == 0)
        return write_url("https", 443, endpoint + 8, ret, false, err);
    if (strncmp(endpoint, "http://", 7) == 0)
        return write_url("http", 80, endpoint + 7, ret, true, err);
    size_t row = 0;
    while (row < sizeof rows / sizeof rows[0] && strcmp(rows[row].word, endpoint) != 0)
        row++;
    if (row == sizeof rows / sizeof rows[0])
        return errtext_set(err, -EINVAL,
                           "write nearest, regional, internal, international, https://host[:port], "
                           "or http:// to a loopback address");
    size_t length = strlen(region);
    if (!model_region_is_valid(region, length))
        return errtext_set(err, -EINVAL, "the region is not made of [a-z0-9-]");
    bool finance = length > 4 && strcmp(region + length - 4, "-fsi") == 0;
    struct text t = text_over(ret, MODEL_URL_MAX);
    if (finance || rows[row].label == NULL)
        text_addf(&t, "https://redis.%s.tencentcloudapi.com/", region);
    else
        text_addf(&t, "https://redis.%stencentcloudapi.com/", rows[row].label);
    return 0;
}

void model_sts_url(const char *endpoint, const char *region, char ret[MODEL_URL_MAX])
{
    static const char redis[] = "https://redis.";
    char url[MODEL_URL_MAX];
    int outcome = model_endpoint_url(endpoint, region, url, NULL);
    assert(outcome == 0);
    (void)outcome;
    struct text t = text_over(ret, MODEL_URL_MAX);
    if (strncmp(url, redis, sizeof redis - 1) == 0)
        text_addf(&t, "https://sts.%s", url + sizeof redis - 1);
    else
        text_add(&t, url);
}
