/* SPDX-License-Identifier: MIT */
/* What uname(2) and /proc/version say. Programs look at the release to know which Linux they are on. */
#pragma once

#define MAESTRO_VERSION_TEXT "0.1"
#define UTS_SYSNAME "Linux"
#define UTS_RELEASE "6.1.0-maestro"
#define UTS_VERSION "#1 SMP PREEMPT Maestro " MAESTRO_VERSION_TEXT
