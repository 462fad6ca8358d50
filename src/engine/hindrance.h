/*
 * Hindrances: what keeps a whole lane or the whole engine from sending, from when to when. Looked
 * at once a step, so that a run whose time has run out can be told what it waited for.
 */
#pragma once

#include "base/instant.h"

#include <stdbool.h>

/* The present one, or the last. A zeroed struct: there was none. */
struct hindrance {
    bool on;
    struct wall since;
    struct wall until; /* where it is not on */
};

void hindrance_look(struct hindrance *hindrance, bool on, struct wall now);

/* Whether the one that is known was there at that instant, its end included. */
bool hindrance_held(const struct hindrance *hindrance, struct wall at);

/* Whether the one that is known was there for half of the span or longer; earlier ones do not add.
 */
bool hindrance_filled(const struct hindrance *hindrance, struct wall from, struct wall until);
