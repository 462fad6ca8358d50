/*
 * The console: the operators' requests, taken up in the loop's turn and answered from the engine
 * and the ledger. It holds no policy. docs/control-protocol.md is its contract with the clients.
 */
#pragma once

#include "base/result.h"
#include "daemon/lifecycle.h"

struct console;

/*
 * Opens the socket that the configuration names. Where it is only a default and cannot be had, a
 * warning is said and the daemon goes on without: *ret stays. Outcomes: 0; negative with a text.
 */
int console_open(struct daemon *daemon, struct console **ret, struct errtext *err) MUST_CHECK;

/*
 * Takes up what clients want, as much as fits into one turn. Returns when to be called again at the
 * latest; MONO_NEVER, also for NULL: when something comes.
 */
struct mono console_step(struct console *console, struct mono now);

/* No client is served from now on; the handles are gone when the loop has ended. NULL is fine. */
void console_close(struct console *console);
void console_destroy(struct console *console);
