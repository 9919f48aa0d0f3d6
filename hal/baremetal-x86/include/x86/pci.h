/* SPDX-License-Identifier: MIT */
/* PCI devices (Local Bus Specification 3.0). Configuration space is reached by mechanism 1; drivers are called once per function found. */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

struct pci_device {
	u8 bus, slot, function;
	u16 vendor, device;
	u8 class, subclass, prog_if;
	u8 irq; /* ISA line; 0 or 255: none */
};
struct pci_bar {
	paddr_t start; /* or the first port */
	u32 size;
	bool is_port;
};
enum { PCI_COMMAND = 0x04, PCI_CAP_POINTER = 0x34, PCI_CAP_VENDOR = 0x09 };
enum { PCI_COMMAND_PORTS = 1, PCI_COMMAND_MEMORY = 2, PCI_COMMAND_MASTER = 4, PCI_COMMAND_NO_INTX = 0x400 };

/* Any context. */
u32 pci_read32(const struct pci_device *d, unsigned off);
u16 pci_read16(const struct pci_device *d, unsigned off);
u8 pci_read8(const struct pci_device *d, unsigned off);
void pci_write32(const struct pci_device *d, unsigned off, u32 v);
void pci_write16(const struct pci_device *d, unsigned off, u16 v);
/* Base address register n (0..5); false if it is not used. Turns the device's decoding off for a moment. */
bool pci_bar(const struct pci_device *d, unsigned n, struct pci_bar *out);
/* Lets the device decode ports and memory, do bus-master transfers and raise its interrupt line. */
void pci_enable(const struct pci_device *d);
/* The offset of the next capability `id` after `after` (0: the first); 0 if there is none. */
unsigned pci_capability(const struct pci_device *d, u8 id, unsigned after);

/* Drivers; each returns true if the device is its own. */
bool ide_probe(const struct pci_device *d);
bool virtio_blk_probe(const struct pci_device *d);
