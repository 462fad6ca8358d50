/* See screen.h. NO_COLOR counts where it is set and not empty (no-color.org). */
#include "ctl/screen.h"

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
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        screen.width = size.ws_col < SCREEN_WIDTH_MAX ? size.ws_col : SCREEN_WIDTH_MAX;
    return screen;
}
