/* SPDX-License-Identifier: MIT */
/* What init calls to find the devices of a PC. */
#include <hal/platform.h>
#include <x86/x86.h>

void __weak x86_console_drivers_init(void)
{
}

void hal_devices_probe(void)
{
	x86_console_drivers_init();
	x86_pci_probe();
}
