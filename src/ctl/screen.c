/* See screen.h. NO_COLOR counts where it is set and not empty (no-color.org). */
#include "ctl/screen.h"

#include "ctl/columns.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool colour_is_wanted(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no_color == NULL || no_color[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}

struct screen screen_of(FILE *stream)
{
    struct screen screen = {.width = SCREEN_WIDTH_DEFAULT};
    struct winsize size;
    int fd = fileno(stream);
    if (fd < 0 || isatty(fd) == 0)
        return screen;
    screen.terminal = true;
    screen.colour = colour_is_wanted();
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        screen.width = size.ws_col < SCREEN_WIDTH_MAX ? size.ws_col : SCREEN_WIDTH_MAX;
        screen.height = size.ws_row;
    }
    return screen;
}

const char *screen_begin(const struct screen *screen, enum screen_look look)
{
    static const char *const codes[] = {
        [LOOK_PLAIN] = "",         [LOOK_GOOD] = "\033[32m", [LOOK_WARNING] = "\033[33m",
        [LOOK_BAD] = "\033[1;31m", [LOOK_DIM] = "\033[2m",   [LOOK_HEAD] = "\033[1m",
    };
    return screen->colour ? codes[look] : "";
}

const char *screen_end(const struct screen *screen, enum screen_look look)
{
    return screen->colour && look != LOOK_PLAIN ? "\033[0m" : "";
}

enum screen_look screen_look_of_outcome(const char *outcome)
{
    static const struct {
        const char *outcome;
        enum screen_look look;
    } known[] = {
        {"succeeded", LOOK_GOOD}, {"failed", LOOK_BAD},     {"unknown", LOOK_BAD},
        {"stuck", LOOK_BAD},      {"missed", LOOK_WARNING}, {"skipped", LOOK_WARNING},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(outcome, known[i].outcome) == 0)
            return known[i].look;
    return LOOK_PLAIN;
}

/* The bytes of the first line: up to a blank, or the whole first word where that is too long. */
static size_t line_of(const char *text, int room)
{
    size_t used;
    size_t bytes = columns_fit(text, room > 0 ? (size_t)room : 0, &used);
    if (text[bytes] == '\0')
        return bytes;
    size_t end = bytes;
    while (end > 0 && text[end] != ' ')
        end--;
    return end > 0 ? end : bytes + strcspn(text + bytes, " ");
}

void screen_wrap(const struct screen *screen, int first, int rest, const char *text)
{
    int indent = first;
    do {
        size_t bytes = screen->terminal ? line_of(text, screen->width - indent) : strlen(text);
        (void)printf("%*s%.*s\n", indent, "", (int)bytes, text);
        text += bytes;
        text += strspn(text, " ");
        indent = rest;
    } while (*text != '\0');
}
