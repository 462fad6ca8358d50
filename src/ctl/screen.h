/*
 * Who reads the output: a person at a terminal, or a program.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define SCREEN_WIDTH_DEFAULT 80
#define SCREEN_WIDTH_MAX 400

struct screen {
    bool terminal;
    bool colour; /* a terminal, and neither NO_COLOR nor TERM=dumb speaks against it */
    int width;   /* columns, at most SCREEN_WIDTH_MAX */
    int height;  /* lines; 0: not known */
};

/* How a text is meant. */
enum screen_look {
    LOOK_PLAIN,
    LOOK_GOOD,
    LOOK_WARNING,
    LOOK_BAD,
    LOOK_DIM,
    LOOK_HEAD,
};

/* What begins a look, and what ends every one; "" where there is no colour. */
const char *screen_begin(const struct screen *screen, enum screen_look look);
const char *screen_end(const struct screen *screen, enum screen_look look);

struct screen screen_of(FILE *stream);

/*
 * A text on lines of its own on stdout: `first` blanks before its first line, `rest` before those
 * that a terminal needs more; broken between words. For a program it is one line.
 */
void screen_wrap(const struct screen *screen, int first, int rest, const char *text);

/* Of a run's outcome: "succeeded", "failed", ... */
enum screen_look screen_look_of_outcome(const char *outcome);
