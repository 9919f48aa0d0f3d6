/* SPDX-License-Identifier: MIT */
/* HAL contract: what the PCI bus holds, for user space to look at. Drivers are the backend's own affair. */
#pragma once

#include <maestro/types.h>

/*
 * A function is known by its bus << 8 | device << 3 | function. Gives the lowest above `after` (-1: the first); -1 if there is none, or no bus.
 * Asks the bus anew: may take some 100 us. Any context.
 */
int hal_pci_next(int after);
/* A word of a function's configuration space, at an offset below 256 that is a multiple of 4. Any context. */
u32 hal_pci_config(unsigned function, unsigned offset);
