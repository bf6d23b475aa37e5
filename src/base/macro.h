/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Runs `function(&variable)` when the variable leaves its scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Lets the compiler check a format string against its arguments. */
#define PRINTF_LIKE(format_index, first_index) \
        __attribute__((format(printf, format_index, first_index)))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

/* Hands a pointer over and leaves NULL behind, so that its cleanup attribute does nothing. */
#define TAKE_PTR(pointer)                                      \
        ({                                                     \
                __typeof__(pointer) *_taken_from = &(pointer); \
                __typeof__(pointer) _taken = *_taken_from;     \
                *_taken_from = NULL;                           \
                _taken;                                        \
        })

/* The same for a file descriptor; leaves -1 behind. */
#define TAKE_FD(fd)                        \
        ({                                 \
                int *_taken_from = &(fd);  \
                int _taken = *_taken_from; \
                *_taken_from = -1;         \
                _taken;                    \
        })

#define MIN(a, b)                                  \
        ({                                         \
                __typeof__(a) _min_a = (a);        \
                __typeof__(b) _min_b = (b);        \
                _min_a < _min_b ? _min_a : _min_b; \
        })

#define MAX(a, b)                                  \
        ({                                         \
                __typeof__(a) _max_a = (a);        \
                __typeof__(b) _max_b = (b);        \
                _max_a > _max_b ? _max_a : _max_b; \
        })
