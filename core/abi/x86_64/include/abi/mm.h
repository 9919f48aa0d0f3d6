/* SPDX-License-Identifier: MIT */
/* x86_64: memory calls take their arguments in registers; there are no structures. */
#pragma once
