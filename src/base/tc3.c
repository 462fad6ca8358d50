/*
 * See tc3.h.
 *
 * Happy path of tc3_sign:
 *   check_request     what is outside the headers may not forge a line of what is signed
 *   canonicalise      headers sorted, lower-cased and checked in one pass into a stack buffer
 *   hash_request      SHA-256 of the body, then of the canonical request
 *   keep_key          k3 of the cache, or derived where key, UTC date or service is another
 *   write_string      the string to sign, and its HMAC with the context keyed by k3
 *   write_result      hexadecimal and the Authorization header
 * Nothing is allocated while the key, the date and the service stay; nothing is formatted by
 * printf on that way.
 *
 * The key itself is never kept, nor compared: this memory is ordinary, its owner's is locked. The
 * caller's number says whether it is the same one.
 *
 * Failure paths: every check comes before the first byte of `ret` is written. A derivation that
 * fails leaves the cache empty. Keys on the stack are wiped on every way out; the cache is wiped
 * when it changes and in tc3_destroy.
 */
#include "base/tc3.h"

#include "base/civil.h"
#include "base/instant.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALGORITHM "TC3-HMAC-SHA256"
#define TERMINATOR "tc3_request"
#define KEY_PREFIX "TC3"
#define HEX_LENGTH (DIGEST_HEX_SIZE - 1)
#define DATE_MAX 16
#define SCOPE_MAX (DATE_MAX + TC3_SERVICE_MAX + sizeof TERMINATOR + 2)
#define TIMESTAMP_MAX 20

_Static_assert(sizeof ALGORITHM + TIMESTAMP_MAX + SCOPE_MAX + HEX_LENGTH + 3
                   <= TC3_STRING_TO_SIGN_MAX,
               "the string to sign always fits");

struct tc3 {
    struct digest *digest;
    struct digest_key *k3; /* NULL: nothing is cached */
    uint64_t generation;   /* what k3 was derived from: key, day and service */
    int64_t day;           /* since 1970, UTC */
    char service[TC3_SERVICE_MAX + 1];
    char scope[SCOPE_MAX]; /* "2019-02-25/cvm/tc3_request" */
    size_t scope_length;
};

struct span {
    const char *bytes;
    size_t length;
};

/* A header that may be signed: as given, the value trimmed. */
struct line {
    struct span name;
    struct span value;
};

struct canonical {
    size_t length;
    struct span list; /* "content-type;host", inside bytes */
    char bytes[TC3_CANONICAL_MAX];
};

/* Appends to a buffer; what does not fit sets `full` and is left out. */
struct pen {
    char *at;
    char *end;
    bool full;
};

static struct pen pen_over(char *buffer, size_t size)
{
    return (struct pen){.at = buffer, .end = buffer + size, .full = false};
}

static inline void put(struct pen *pen, const char *bytes, size_t length)
{
    if (length > (size_t)(pen->end - pen->at)) {
        pen->full = true;
        return;
    }
    memcpy(pen->at, bytes, length);
    pen->at += length;
}

static inline void put_char(struct pen *pen, char c)
{
    put(pen, &c, 1);
}

#define PUT_LITERAL(pen, literal) put(pen, literal, sizeof(literal) - 1)

static inline char lowered(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline void put_lowered(struct pen *pen, struct span span)
{
    if (span.length > (size_t)(pen->end - pen->at)) {
        pen->full = true;
        return;
    }
    for (size_t i = 0; i < span.length; i++)
        pen->at[i] = lowered(span.bytes[i]);
    pen->at += span.length;
}

static void put_number(struct pen *pen, int64_t number)
{
    char digits[TIMESTAMP_MAX];
    char *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(pen, first, (size_t)(digits + sizeof digits - first));
}

int tc3_create(struct tc3 **ret, struct errtext *err)
{
    struct tc3 *tc3 = calloc(1, sizeof *tc3);
    if (tc3 == NULL)
        return errtext_set(err, -ENOMEM, "out of memory");
    int outcome = digest_create(&tc3->digest, err);
    if (outcome != 0) {
        free(tc3);
        return outcome;
    }
    *ret = tc3;
    return 0;
}

static void forget_key(struct tc3 *tc3)
{
    digest_key_destroy(tc3->k3);
    tc3->k3 = NULL;
}

void tc3_destroy(struct tc3 *tc3)
{
    if (tc3 == NULL)
        return;
    forget_key(tc3);
    digest_destroy(tc3->digest);
    secret_wipe(tc3, sizeof *tc3);
    free(tc3);
}

int tc3_derive(struct digest *digest, const struct secret *secret_key, const char *date,
               const char *service, uint8_t ret_keys[3][DIGEST_SIZE])
{
    static const size_t prefix = sizeof KEY_PREFIX - 1;
    char seed[sizeof KEY_PREFIX - 1 + SECRET_MAX];
    uint8_t keys[3][DIGEST_SIZE];
    memcpy(seed, KEY_PREFIX, prefix);
    memcpy(seed + prefix, secret_key->bytes, secret_key->length);
    int outcome =
        digest_hmac(digest, seed, prefix + secret_key->length, date, strlen(date), keys[0]);
    if (outcome == 0)
        outcome = digest_hmac(digest, keys[0], DIGEST_SIZE, service, strlen(service), keys[1]);
    if (outcome == 0)
        outcome =
            digest_hmac(digest, keys[1], DIGEST_SIZE, TERMINATOR, sizeof TERMINATOR - 1, keys[2]);
    if (outcome == 0)
        memcpy(ret_keys, keys, sizeof keys);
    secret_wipe(seed, prefix + secret_key->length);
    secret_wipe(keys, sizeof keys);
    secret_wipe_stack();
    return outcome;
}

static int derive_key(struct tc3 *tc3, int64_t day, const char *service, uint64_t generation,
                      const struct secret *secret_key)
{
    char date[DATE_MAX];
    struct civil civil = civil_from_seconds(day * SECONDS_PER_DAY);
    struct text text = text_over(date, sizeof date);
    text_addf(&text, "%04d-%02d-%02d", (int)civil.year, civil.month, civil.day);

    uint8_t keys[3][DIGEST_SIZE];
    int outcome = tc3_derive(tc3->digest, secret_key, date, service, keys);
    if (outcome == 0)
        outcome = digest_key_create(tc3->digest, keys[2], DIGEST_SIZE, &tc3->k3);
    secret_wipe(keys, sizeof keys);
    if (outcome != 0)
        return outcome;

    tc3->day = day;
    memcpy(tc3->service, service, strlen(service) + 1);
    text = text_over(tc3->scope, sizeof tc3->scope);
    text_addf(&text, "%s/%s/" TERMINATOR, date, service);
    assert(!text.cut);
    tc3->scope_length = text.length;
    tc3->generation = generation;
    return 0;
}

/* After it, k3 and scope are those of the key, the UTC date and the service. */
static int keep_key(struct tc3 *tc3, const struct tc3_request *request,
                    const struct secret *secret_key, struct errtext *err)
{
    int64_t day = request->timestamp / SECONDS_PER_DAY;
    if (tc3->k3 != NULL && tc3->day == day && strcmp(tc3->service, request->service) == 0
        && request->key_generation != 0 && tc3->generation == request->key_generation)
        return 0;
    forget_key(tc3);
    int outcome = derive_key(tc3, day, request->service, request->key_generation, secret_key);
    if (outcome != 0) {
        forget_key(tc3);
        return errtext_set(err, outcome, "the OpenSSL library failed to derive the signing key");
    }
    return 0;
}

static bool all_visible(const char *string, const char *but_not)
{
    for (; *string != '\0'; string++)
        if (*string <= ' ' || *string > '~' || strchr(but_not, *string) != NULL)
            return false;
    return true;
}

static bool is_service(const char *service)
{
    size_t length = strspn(service, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    return length > 0 && length <= TC3_SERVICE_MAX && service[length] == '\0';
}

static int check_request(const struct tc3_request *request, const char *secret_id,
                         const struct secret *secret_key, struct errtext *err)
{
    bool post = strcmp(request->method, "POST") == 0;
    if (!post && strcmp(request->method, "GET") != 0)
        return errtext_set(err, -EINVAL, "the method must be POST or GET");
    if (post && request->query[0] != '\0')
        return errtext_set(err, -EINVAL, "a POST has no query string");
    if (!post && request->body_length > 0)
        return errtext_set(err, -EINVAL, "a GET has no body");
    if (!post && !all_visible(request->query, ""))
        return errtext_set(err, -EINVAL, "the query string must be visible ASCII, %%-encoded");
    if (!is_service(request->service))
        return errtext_set(err, -EINVAL,
                           "the service must be 1 to %d of a-z, 0-9, '-' and '_', such as redis",
                           TC3_SERVICE_MAX);
    if (request->timestamp < 0 || request->timestamp > WALL_MAX_SECOND)
        return errtext_set(err, -EINVAL, "the timestamp must be seconds from 0 to %lld",
                           (long long)WALL_MAX_SECOND);
    size_t id_length = strnlen(secret_id, TC3_SECRET_ID_MAX + 1);
    if (id_length == 0 || id_length > TC3_SECRET_ID_MAX || !all_visible(secret_id, ",/"))
        return errtext_set(err, -EINVAL,
                           "the secret id must be 1 to %d visible ASCII characters without ',' "
                           "and '/'",
                           TC3_SECRET_ID_MAX);
    if (secret_key->length == 0)
        return errtext_set(err, -EINVAL, "the secret key is empty");
    return 0;
}

/* Blanks and tabs at both ends do not belong to a value, as on the wire. */
static struct span trimmed(const char *value)
{
    while (*value == ' ' || *value == '\t')
        value++;
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        length--;
    return (struct span){value, length};
}

/*
 * A line feed or a colon in the wrong place would forge a header of what is signed, and what lower
 * case means outside ASCII is not said: both are refused.
 */
static int read_header(const struct tc3_header *header, struct line *ret, struct errtext *err)
{
    struct span name = {header->name, strlen(header->name)};
    struct span value = trimmed(header->value);
    for (size_t i = 0; i < name.length; i++) {
        char c = lowered(name.bytes[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return errtext_set(err, -EINVAL, "header names are letters, digits, '-' and '_'");
    }
    if (name.length == 0)
        return errtext_set(err, -EINVAL, "a header has no name");
    for (size_t i = 0; i < value.length; i++)
        if (value.bytes[i] < ' ' || value.bytes[i] > '~')
            return errtext_set(err, -EINVAL,
                               "header %.64s: byte 0x%02x cannot be signed; a value is printable "
                               "ASCII on one line",
                               header->name, (unsigned)(unsigned char)value.bytes[i]);
    *ret = (struct line){name, value};
    return 0;
}

/* By lower-cased name, like memcmp. */
static int compare_names(struct span a, struct span b)
{
    for (size_t i = 0; i < a.length && i < b.length; i++) {
        int difference = lowered(a.bytes[i]) - lowered(b.bytes[i]);
        if (difference != 0)
            return difference;
    }
    return (a.length > b.length) - (a.length < b.length);
}

/* Reads every header into `lines`, sorted by name; refuses a name that stands there already. */
static int sort_headers(const struct tc3_request *request, struct line lines[TC3_HEADERS_MAX],
                        struct errtext *err)
{
    if (request->header_count > TC3_HEADERS_MAX)
        return errtext_set(err, -E2BIG, "more than %d headers to sign", TC3_HEADERS_MAX);
    for (size_t i = 0; i < request->header_count; i++) {
        struct line line;
        int outcome = read_header(&request->headers[i], &line, err);
        if (outcome != 0)
            return outcome;
        int order = 1;
        size_t at = i;
        while (at > 0 && (order = compare_names(line.name, lines[at - 1].name)) < 0) {
            lines[at] = lines[at - 1];
            at--;
        }
        if (order == 0)
            return errtext_set(err, -EINVAL, "header %.64s is given twice", line.name.bytes);
        lines[at] = line;
    }
    return 0;
}

static int require_header(const struct line *lines, size_t count, const char *name,
                          struct errtext *err)
{
    struct span wanted = {name, strlen(name)};
    for (size_t i = 0; i < count; i++)
        if (lines[i].value.length > 0 && compare_names(lines[i].name, wanted) == 0)
            return 0;
    return errtext_set(err, -EINVAL, "the %s header must be signed and not empty", name);
}

/* Part 4, the header block, and part 5, the list of names. Returns the list, inside the buffer. */
static struct span put_headers(struct pen *pen, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_lowered(pen, lines[i].name);
        put_char(pen, ':');
        put_lowered(pen, lines[i].value);
        put_char(pen, '\n');
    }
    put_char(pen, '\n');
    const char *list = pen->at;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put_char(pen, ';');
        put_lowered(pen, lines[i].name);
    }
    size_t length = (size_t)(pen->at - list);
    put_char(pen, '\n');
    return (struct span){list, length};
}

/* All parts but the last, the hash of the body, whose room is kept free. */
static int canonicalise(const struct tc3_request *request, struct canonical *ret,
                        struct errtext *err)
{
    struct line lines[TC3_HEADERS_MAX];
    int outcome = sort_headers(request, lines, err);
    if (outcome == 0)
        outcome = require_header(lines, request->header_count, "content-type", err);
    if (outcome == 0)
        outcome = require_header(lines, request->header_count, "host", err);
    if (outcome != 0)
        return outcome;

    struct pen pen = pen_over(ret->bytes, sizeof ret->bytes - DIGEST_HEX_SIZE);
    put(&pen, request->method, strlen(request->method));
    PUT_LITERAL(&pen, "\n/\n");
    put(&pen, request->query, strlen(request->query));
    put_char(&pen, '\n');
    ret->list = put_headers(&pen, lines, request->header_count);
    if (pen.full)
        return errtext_set(err, -E2BIG, "the canonical request is longer than %d bytes",
                           TC3_CANONICAL_MAX);
    ret->length = (size_t)(pen.at - ret->bytes);
    return 0;
}

/* Completes the canonical request with part 6 and gives its own hash. */
static int hash_request(struct digest *digest, const struct tc3_request *request,
                        struct canonical *canonical, char ret_hex[DIGEST_HEX_SIZE])
{
    uint8_t hash[DIGEST_SIZE];
    int outcome = digest_sha256(digest, request->body, request->body_length, hash);
    if (outcome != 0)
        return outcome;
    digest_hex(hash, canonical->bytes + canonical->length);
    canonical->length += HEX_LENGTH;
    outcome = digest_sha256(digest, canonical->bytes, canonical->length, hash);
    if (outcome != 0)
        return outcome;
    digest_hex(hash, ret_hex);
    return 0;
}

/* Returns the length; the buffer's size is asserted above. */
static size_t write_string(const struct tc3 *tc3, int64_t timestamp,
                           const char canonical_hash[DIGEST_HEX_SIZE],
                           char string[TC3_STRING_TO_SIGN_MAX])
{
    struct pen pen = pen_over(string, TC3_STRING_TO_SIGN_MAX - 1);
    PUT_LITERAL(&pen, ALGORITHM "\n");
    put_number(&pen, timestamp);
    put_char(&pen, '\n');
    put(&pen, tc3->scope, tc3->scope_length);
    put_char(&pen, '\n');
    put(&pen, canonical_hash, HEX_LENGTH);
    assert(!pen.full);
    *pen.at = '\0';
    return (size_t)(pen.at - string);
}

/* False where it does not fit; then `ret` holds a part of it. */
static bool write_authorization(const struct tc3 *tc3, const char *secret_id, struct span list,
                                const char signature[DIGEST_HEX_SIZE],
                                char ret[TC3_AUTHORIZATION_MAX])
{
    struct pen pen = pen_over(ret, TC3_AUTHORIZATION_MAX - 1);
    PUT_LITERAL(&pen, ALGORITHM " Credential=");
    put(&pen, secret_id, strlen(secret_id));
    put_char(&pen, '/');
    put(&pen, tc3->scope, tc3->scope_length);
    PUT_LITERAL(&pen, ", SignedHeaders=");
    put(&pen, list.bytes, list.length);
    PUT_LITERAL(&pen, ", Signature=");
    put(&pen, signature, HEX_LENGTH);
    *pen.at = '\0';
    return !pen.full;
}

int tc3_sign(struct tc3 *tc3, const struct tc3_request *request, const char *secret_id,
             const struct secret *secret_key, struct tc3_signature *ret, struct errtext *err)
{
    struct canonical canonical; /* not zeroed: only what is written is read */
    int outcome = check_request(request, secret_id, secret_key, err);
    if (outcome == 0)
        outcome = canonicalise(request, &canonical, err);
    if (outcome == 0)
        outcome = keep_key(tc3, request, secret_key, err);
    if (outcome != 0)
        return outcome;

    struct tc3_signature made;
    uint8_t mac[DIGEST_SIZE];
    outcome = hash_request(tc3->digest, request, &canonical, made.canonical_hash);
    if (outcome != 0)
        return errtext_set(err, outcome, "the OpenSSL library failed to hash");
    size_t length = write_string(tc3, request->timestamp, made.canonical_hash, made.string_to_sign);
    outcome = digest_key_hmac(tc3->k3, made.string_to_sign, length, mac);
    if (outcome != 0)
        return errtext_set(err, outcome, "the OpenSSL library failed to sign");
    digest_hex(mac, made.signature);
    if (!write_authorization(tc3, secret_id, canonical.list, made.signature, made.authorization))
        return errtext_set(err, -E2BIG, "the Authorization header is longer than %d bytes",
                           TC3_AUTHORIZATION_MAX);
    *ret = made;
    return 0;
}
