/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Screen: text for people, put column by column.
 *
 * Whatever is shown may have been written by a stranger: the name of a process, a line of a log, an
 * answer of a web server. A terminal obeys what it is sent, so nothing reaches it that is not a
 * visible character; there is one way out, screen_put(), and it cleans. What remains is counted in
 * columns as the terminal counts them, because a Korean syllable is two columns wide and a table
 * that forgets it falls apart.
 *
 * Colour repeats what the words say and never says it alone: the same screen is read in a pipe, in
 * a mail, and by people who do not tell red from green.
 */

#include "cli/screen.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/text.h"

enum {
        WIDTH_USUAL = 80,
        WIDTH_LEAST = 40,
        WIDTH_MOST = 200, /* a line longer than this is not found again by the eye */
        GLYPH_SIZE = 5,   /* four bytes of UTF-8 and the end */
        LINE_SIZE = 2048,
};

static const char *const paint_codes[] = {
        [PAINT_PLAIN] = "",         [PAINT_BOLD] = "\033[1m",    [PAINT_DIM] = "\033[2m",
        [PAINT_GREEN] = "\033[32m", [PAINT_YELLOW] = "\033[33m", [PAINT_RED] = "\033[1;31m",
};

static_assert(ELEMENTSOF(paint_codes) == _PAINT_MAX, "a code for each paint");

/* One character as it will be shown. */
typedef struct Glyph {
        char bytes[GLYPH_SIZE];
        unsigned width;
        bool is_blank;
} Glyph;

static unsigned width_from_text(const char *text) {
        uint64_t width;

        return text && text_parse_u64(text, &width) >= 0 && width > 0 && width < 10000
                       ? (unsigned) width
                       : 0;
}

void screen_open(Screen *screen, FILE *file) {
        struct winsize size = { 0 };
        const char *no_colour = getenv("NO_COLOR");
        const char *terminal = getenv("TERM");

        *screen = (Screen){ .file = file, .is_terminal = isatty(fileno(file)) == 1 };
        screen->has_colour = screen->is_terminal && !(no_colour && no_colour[0] != '\0') &&
                             !(terminal && strcmp(terminal, "dumb") == 0);

        if (screen->is_terminal && ioctl(fileno(file), TIOCGWINSZ, &size) == 0)
                screen->width = size.ws_col;
        if (screen->width == 0)
                screen->width = width_from_text(getenv("COLUMNS"));
        if (screen->width == 0)
                screen->width = WIDTH_USUAL;

        screen->width = MIN(MAX(screen->width, (unsigned) WIDTH_LEAST), (unsigned) WIDTH_MOST);
}

/* Decodes one character of RFC 3629 UTF-8; returns its length, 0 when the bytes are none. */
static size_t decode(const char *text, uint32_t *ret_code) {
        const unsigned char *p = (const unsigned char *) text;
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t length = p[0] < 0x80             ? 1
                        : (p[0] & 0xe0) == 0xc0 ? 2
                        : (p[0] & 0xf0) == 0xe0 ? 3
                        : (p[0] & 0xf8) == 0xf0 ? 4
                                                : 0;

        if (length == 0)
                return 0;

        uint32_t code = length == 1 ? p[0] : p[0] & (0xffU >> (length + 1));

        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xc0) != 0x80) /* also the end of the text */
                        return 0;
                code = code << 6 | (p[i] & 0x3fU);
        }

        if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return 0;

        *ret_code = code;
        return length;
}

/* Characters that are not seen themselves but change how others are: direction marks, zero-width ones, tags. Unicode
 * calls them default-ignorable or Bidi_Control (UAX #9, UTS #39). */
static bool is_invisible(uint32_t code) {
        return code == 0xad || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
               (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
               code == 0xfeff || (code >= 0xfff0 && code <= 0xfffb) ||
               (code >= 0xe0000 && code <= 0xe0fff);
}

/* Takes one glyph off the text; false at its end. */
static bool glyph_next(const char **text, Glyph *ret) {
        uint32_t code = 0;

        if (**text == '\0')
                return false;

        size_t length = decode(*text, &code);
        int width = length > 0 ? wcwidth((wchar_t) code) : -1;

        if (code == '\n' || code == '\t')
                *ret = (Glyph){ .bytes = " ", .width = 1, .is_blank = true };
        else if (width < 0 || is_invisible(code))
                *ret = (Glyph){ .bytes = "?", .width = 1 };
        else {
                *ret = (Glyph){ .width = (unsigned) width, .is_blank = code == ' ' };
                memcpy(ret->bytes, *text, length);
        }

        *text += MAX(length, (size_t) 1);
        return true;
}

unsigned screen_width_of(const char *text) {
        Glyph glyph;
        unsigned width = 0;

        while (glyph_next(&text, &glyph))
                width += glyph.width;

        return width;
}

static void paint_begin(const Screen *screen, Paint paint) {
        if (screen->has_colour && paint != PAINT_PLAIN)
                (void) fputs(paint_codes[paint],
                             screen->file); /* a broken pipe ends the program by itself */
}

static void paint_end(const Screen *screen, Paint paint) {
        if (screen->has_colour && paint != PAINT_PLAIN)
                (void) fputs("\033[0m", screen->file); /* as above */
}

static void put_glyph(Screen *screen, const Glyph *glyph) {
        (void) fputs(glyph->bytes, screen->file); /* as above */
        screen->column += glyph->width;
}

static void put_blanks(Screen *screen, unsigned count) {
        for (unsigned i = 0; i < count; i++)
                (void) fputc(' ', screen->file); /* as above */
        screen->column += count;
}

void screen_put(Screen *screen, Paint paint, const char *text) {
        Glyph glyph;

        paint_begin(screen, paint);
        while (glyph_next(&text, &glyph))
                put_glyph(screen, &glyph);
        paint_end(screen, paint);
}

void screen_printf(Screen *screen, Paint paint, const char *format, ...) {
        char line[LINE_SIZE];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(line, sizeof(line), format, arguments); /* a longer line is cut */
        va_end(arguments);

        screen_put(screen, paint, line);
}

void screen_put_field(
        Screen *screen, Paint paint, const char *text, unsigned width, bool to_right) {
        unsigned wanted = screen_width_of(text);
        bool is_cut = wanted > width;
        unsigned room = is_cut && width > 0 ? width - 1 : width;
        unsigned used = 0;
        Glyph glyph;

        if (to_right && !is_cut)
                put_blanks(screen, width - wanted);

        paint_begin(screen, paint);
        for (const char *p = text; glyph_next(&p, &glyph) && used + glyph.width <= room;
             used += glyph.width)
                put_glyph(screen, &glyph);
        if (is_cut && width > 0) {
                put_glyph(screen, &(Glyph){ .bytes = "…", .width = 1 });
                used++;
        }
        paint_end(screen, paint);

        if (!to_right || is_cut)
                put_blanks(screen, width - used);
}

/* Width of the word that begins at `text`, up to the next blank. */
static unsigned width_of_word(const char *text) {
        Glyph glyph;
        unsigned width = 0;

        while (glyph_next(&text, &glyph) && !glyph.is_blank)
                width += glyph.width;

        return width;
}

static void begin_line(Screen *screen, unsigned indent) {
        screen_line_feed(screen);
        put_blanks(screen, indent);
}

/* Puts one word and returns what is behind it. A word longer than a whole line is broken where the line ends. */
static const char *put_word(Screen *screen, const char *word, unsigned indent) {
        const char *next = word;
        Glyph glyph;

        while (glyph_next(&next, &glyph) && !glyph.is_blank) {
                if (screen->column + glyph.width > screen->width)
                        begin_line(screen, indent);
                put_glyph(screen, &glyph);
                word = next;
        }

        return word;
}

void screen_put_wrapped(Screen *screen, Paint paint, const char *text, unsigned indent) {
        bool has_blank = false;
        Glyph glyph;

        /* What is to be indented beyond reason is not indented at all. */
        if (indent + 20 > screen->width)
                indent = 0;

        bool is_line_begin = screen->column <= indent;

        paint_begin(screen, paint);
        for (const char *p = text, *next = p; glyph_next(&next, &glyph); next = p) {
                if (glyph.is_blank) {
                        has_blank = true;
                        p = next;
                        continue;
                }

                unsigned room = screen->width - indent;
                unsigned need = width_of_word(p);

                has_blank = has_blank && !is_line_begin;
                if (!is_line_begin && need <= room &&
                    screen->column + has_blank + need > screen->width) {
                        begin_line(screen, indent);
                        has_blank = false;
                }
                if (has_blank)
                        put_blanks(screen, 1);

                p = put_word(screen, p, indent);
                is_line_begin = has_blank = false;
        }
        paint_end(screen, paint);
}

void screen_line_feed(Screen *screen) {
        (void) fputc('\n', screen->file); /* as above */
        screen->column = 0;
}

void screen_move_to(Screen *screen, unsigned column) {
        if (column > screen->column)
                put_blanks(screen, column - screen->column);
}

void screen_put_bar(Screen *screen, Paint paint, int permille, unsigned cells) {
        unsigned filled =
                permille <= 0 ? 0 : MIN(((unsigned) permille * cells + 500) / 1000, cells);

        /* A little is not nothing, and nearly full is not full. */
        if (permille > 0 && filled == 0)
                filled = 1;

        paint_begin(screen, paint);
        for (unsigned i = 0; i < filled; i++)
                put_glyph(screen, &(Glyph){ .bytes = "█", .width = 1 });
        paint_end(screen, paint);
        paint_begin(screen, PAINT_DIM);
        for (unsigned i = filled; i < cells; i++)
                put_glyph(screen, &(Glyph){ .bytes = "░", .width = 1 });
        paint_end(screen, PAINT_DIM);
}

Paint paint_of(Level level) {
        switch (level) {
        case LEVEL_NORMAL:
                return PAINT_GREEN;
        case LEVEL_WARNING:
                return PAINT_YELLOW;
        case LEVEL_CRITICAL:
                return PAINT_RED;
        case LEVEL_UNKNOWN:
        case _LEVEL_MAX:
                break;
        }

        return PAINT_DIM;
}
