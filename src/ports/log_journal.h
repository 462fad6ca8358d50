/*
 * A sink for log lines: systemd's journal, by its native protocol, without its library.
 *
 * Beside the line (MESSAGE) and its priority each entry has the event's fields as fields of their
 * own: EVENT, SCHEDULE, INSTANCE_ID, TASK_ID and so on, and a MESSAGE_ID for its kind. Nothing
 * waits: what the journal does not take is the writer's.
 */
#pragma once

#include "base/result.h"
#include "ports/log_writer.h"

#include <stdbool.h>

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* `path` is copied. Outcomes: 0; -ENOMEM; -ENAMETOOLONG; other negative errno of socket(2). */
int log_journal_create(const char *path, struct log_sink *ret) MUST_CHECK;

/* Whether somebody listens there, be its queue full or not. */
bool log_journal_is_there(const char *path);

/* The 32 hexadecimal digits that stand for events of a name for ever; NULL: none. */
const char *log_journal_message_id(const char *event);
