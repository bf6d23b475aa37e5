/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/macro.h"
#include "model/level.h"

/* How a piece of text is shown when there are colours. */
typedef enum Paint {
        PAINT_PLAIN,
        PAINT_BOLD,
        PAINT_DIM,
        PAINT_GREEN,
        PAINT_YELLOW,
        PAINT_RED,
        _PAINT_MAX,
} Paint;

/* Something text is written to, column by column. */
typedef struct Screen {
        FILE *file;
        unsigned width;
        unsigned column; /* where the next glyph goes, from 0 */
        bool has_colour;
        bool is_terminal;
} Screen;

/* Asks what `file` is: colours only on a terminal that has them and without NO_COLOR (no-color.org); the terminal's
 * width, else $COLUMNS, else 80. */
void screen_open(Screen *screen, FILE *file);

/* Writes text that may come from anywhere: what would steer a terminal (control and bidirectional characters, escape
 * sequences, broken UTF-8) is shown as '?', a line feed or tab as a blank. */
void screen_put(Screen *screen, Paint paint, const char *text);
void screen_printf(Screen *screen, Paint paint, const char *format, ...) PRINTF_LIKE(3, 4);

/* In a field of `width` columns, cut with an ellipsis when it is longer; `to_right` puts the text at the right. */
void screen_put_field(Screen *screen, Paint paint, const char *text, unsigned width, bool to_right);

/* Over as many lines as it takes, broken at blanks, the further ones beginning at column `indent`. */
void screen_put_wrapped(Screen *screen, Paint paint, const char *text, unsigned indent);

void screen_line_feed(Screen *screen);

/* Blanks up to that column; nothing when already behind it. */
void screen_move_to(Screen *screen, unsigned column);

/* A bar of `cells` cells, filled by a value in permille. */
void screen_put_bar(Screen *screen, Paint paint, int permille, unsigned cells);

/* Columns that screen_put() would take for it: Korean is two columns wide. */
unsigned screen_width_of(const char *text);

Paint paint_of(Level level);
