/*
 * See log_journal.h.
 *
 * An entry is one datagram: "KEY=value" and a line feed for each field. A value that has a line
 * feed in it is sent in the other form, "KEY", a line feed, its length as eight bytes
 * (little-endian), the value and a line feed, so that no value can begin a field of its own.
 *
 * The socket is not connected: each entry names the path, so a journal that was restarted, or came
 * later, gets the next one. A refusal and a full queue are both the writer's: it keeps the event.
 */
#include "ports/log_journal.h"

#include "base/text.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The line, the texts of a copied event once more, the names: with room to spare. */
#define ENTRY_MAX (EVENT_LINE_MAX + EVENT_TEXTS_MAX + 4096)
#define KEY_MAX 64

struct log_journal {
    int fd;
    struct sockaddr_un address;
};

/* ---- an entry ---- */

/* Takes the field back where it does not fit. */
static void add(struct text *entry, const char *key, const char *value)
{
    size_t before = entry->length;
    size_t length = strlen(value);
    text_add(entry, key);
    if (strchr(value, '\n') == NULL) {
        text_add_char(entry, '=');
    } else {
        uint64_t size = htole64(length);
        text_add_char(entry, '\n');
        text_add_bytes(entry, (const char *)&size, sizeof size);
    }
    text_add_bytes(entry, value, length);
    text_add_char(entry, '\n');
    if (entry->cut) {
        entry->cut = false;
        entry->length = before;
    }
}

/* "message" is what the cloud or a library said; MESSAGE is the whole line. */
static const char *key_of(const struct field *f, char buffer[KEY_MAX])
{
    if (strcmp(f->key, "message") == 0)
        return "DETAIL";
    if (strcmp(f->key, "instance") == 0)
        return "INSTANCE_ID";
    struct text key = text_over(buffer, KEY_MAX);
    for (const char *c = f->key; *c != '\0'; c++)
        text_add_char(&key, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
    return buffer;
}

static void compose(struct text *entry, const struct event *event, const char *line)
{
    const char *id = log_journal_message_id(event->name);
    const char priority[] = {(char)('0' + (int)event->level), '\0'};
    add(entry, "MESSAGE", line);
    add(entry, "PRIORITY", priority);
    add(entry, "SYSLOG_FACILITY", "3");
    add(entry, "SYSLOG_IDENTIFIER", "crsbackupd");
    if (id != NULL)
        add(entry, "MESSAGE_ID", id);
    add(entry, "EVENT", event->name);
    for (size_t i = 0; i < event->count; i++) {
        char key[KEY_MAX];
        char scalar[EVENT_SCALAR_MAX];
        add(entry, key_of(&event->fields[i], key), event_value(&event->fields[i], scalar));
    }
}

/* ---- the sink ---- */

static bool put(void *context, const struct event *event, const char *line, size_t length)
{
    struct log_journal *log = context;
    char buffer[ENTRY_MAX];
    struct text entry = text_over(buffer, sizeof buffer);
    (void)length;
    compose(&entry, event, line);
    ssize_t n = sendto(log->fd, entry.bytes, entry.length, MSG_NOSIGNAL | MSG_DONTWAIT,
                       (const struct sockaddr *)(const void *)&log->address, sizeof log->address);
    return n == (ssize_t)entry.length;
}

static void destroy(void *context)
{
    struct log_journal *log = context;
    (void)close(log->fd);
    free(log);
}

static int open_at(struct log_journal *log, const char *path)
{
    size_t length = strlen(path);
    if (length >= sizeof log->address.sun_path)
        return -ENAMETOOLONG;
    log->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(log->address.sun_path, path, length);
    log->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return log->fd < 0 ? -errno : 0;
}

bool log_journal_is_there(const char *path)
{
    struct log_journal log;
    if (open_at(&log, path) < 0)
        return false;
    int r =
        connect(log.fd, (const struct sockaddr *)(const void *)&log.address, sizeof log.address);
    (void)close(log.fd);
    return r == 0;
}

int log_journal_create(const char *path, struct log_sink *ret)
{
    struct log_journal *log = calloc(1, sizeof *log);
    if (log == NULL)
        return -ENOMEM;
    int r = open_at(log, path);
    if (r < 0) {
        free(log);
        return r;
    }
    *ret = (struct log_sink){.context = log, .put = put, .destroy = destroy};
    return 0;
}
