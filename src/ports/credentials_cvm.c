/*
 * The role that is bound to this machine, from the metadata service: plain HTTP, as the cloud has
 * it, on a link-local address that no proxy leads to.
 *
 * What comes is outside input: anybody who can answer for that address could write it. A name that
 * is no name, JSON that is none, another Code than Success are refused with a text.
 */
#include "base/text.h"
#include "ports/credentials_remote.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define METADATA_URL "http://metadata.tencentyun.com/"
#define METADATA_PATH "latest/meta-data/cam/security-credentials/"

int cvm_role_ask(const struct credentials_settings *settings, const char *role,
                 struct remote_question *ret, struct errtext *err)
{
    struct text url = text_over(ret->url, sizeof ret->url);
    text_addf(&url, "%s" METADATA_PATH "%s",
              settings->metadata_url != NULL ? settings->metadata_url : METADATA_URL, role);
    if (url.cut)
        return errtext_set(err, -EINVAL, "the metadata service's URL is too long");
    ret->request = (struct transport_request){
        .url = ret->url,
        .connect_timeout_us = METADATA_CONNECT_US,
        .timeout_us = METADATA_TIMEOUT_US,
        .brings_keys = role[0] != '\0',
    };
    return 0;
}

static int check_answer(const struct exchange *exchange, struct errtext *err)
{
    if (exchange->kind != EXCHANGE_ANSWERED)
        return errtext_set(err, -EIO, "the metadata service: %.200s", exchange->error);
    if (exchange->http_status == 404)
        return errtext_set(err, SOURCE_ABSENT, "no role is bound to this machine (HTTP 404)");
    if (exchange->http_status != 200)
        return errtext_set(err, -EIO, "the metadata service answers HTTP %d",
                           exchange->http_status);
    return 0;
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
           || (c != '\0' && strchr("+=,.@_-", c) != NULL);
}

int cvm_role_take_name(const struct exchange *exchange, char ret[ROLE_NAME_MAX + 1],
                       struct errtext *err)
{
    int outcome = check_answer(exchange, err);
    if (outcome != 0)
        return outcome;
    const char *start = exchange->body;
    size_t length = exchange->body_length;
    while (length > 0 && (start[length - 1] == '\n' || start[length - 1] == '\r'))
        length--;
    if (length == 0)
        return errtext_set(err, SOURCE_ABSENT, "no role is bound to this machine");
    for (size_t i = 0; i < length; i++)
        if (length > ROLE_NAME_MAX || !is_name_character(start[i]))
            return errtext_set(err, -EINVAL,
                               "the metadata service answers with what is no role's name (%zu "
                               "bytes)",
                               length);
    memcpy(ret, start, length);
    ret[length] = '\0';
    return 0;
}

int cvm_role_take_keys(const struct exchange *exchange, struct found_keys *ret, struct errtext *err)
{
    int outcome = check_answer(exchange, err);
    if (outcome != 0)
        return outcome;
    outcome = credentials_metadata_parse(exchange->body, exchange->body_length, ret, err);
    return outcome == 0 ? 0 : errtext_prefix(err, outcome, "the metadata service");
}

bool cvm_is_here(void)
{
    static const char vendor[] = "Tencent Cloud";
    char bytes[sizeof vendor];
    int fd = open("/sys/class/dmi/id/sys_vendor", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, bytes, sizeof bytes);
    (void)close(fd);
    return length >= (ssize_t)sizeof vendor - 1 && memcmp(bytes, vendor, sizeof vendor - 1) == 0;
}
