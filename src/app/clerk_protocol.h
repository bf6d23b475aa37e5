/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* What warden and clerk have agreed on beside the method names. */
enum {
        CLERK_WINDOW = 64, /* events the warden sends before the first of them is acknowledged */
};
