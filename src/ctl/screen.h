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
};

struct screen screen_of(FILE *stream);
