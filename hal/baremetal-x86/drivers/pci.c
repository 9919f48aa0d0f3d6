/* SPDX-License-Identifier: MIT */
/*
 * The PCI bus: configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2), enumeration through bridges (PCI-to-PCI Bridge Architecture
 * 1.2), and offering each function to the drivers. Addresses and lines stay as the firmware set them.
 */
#include <hal/pci.h>
#include <maestro/printk.h>
#include <maestro/task.h>
#include <x86/pci.h>
#include <x86/x86.h>

#define CONFIG_ADDRESS 0xCF8
#define CONFIG_DATA 0xCFC

static u32 address_of(const struct pci_device *d, unsigned off)
{
	return 0x80000000u | (u32)d->bus << 16 | (u32)d->slot << 11 | (u32)d->function << 8 | (off & 0xfc);
}

/* Address and data ports are one resource; accesses are rare. */
u32 pci_read32(const struct pci_device *d, unsigned off)
{
	unsigned long flags = hal_irq_save();
	u32 v;

	outl(CONFIG_ADDRESS, address_of(d, off));
	v = inl(CONFIG_DATA);
	hal_irq_restore(flags);
	return v;
}

u16 pci_read16(const struct pci_device *d, unsigned off)
{
	return (u16)(pci_read32(d, off) >> (off & 2) * 8);
}

u8 pci_read8(const struct pci_device *d, unsigned off)
{
	return (u8)(pci_read32(d, off) >> (off & 3) * 8);
}

void pci_write32(const struct pci_device *d, unsigned off, u32 v)
{
	unsigned long flags = hal_irq_save();

	outl(CONFIG_ADDRESS, address_of(d, off));
	outl(CONFIG_DATA, v);
	hal_irq_restore(flags);
}

void pci_write16(const struct pci_device *d, unsigned off, u16 v)
{
	unsigned long flags = hal_irq_save();

	outl(CONFIG_ADDRESS, address_of(d, off));
	outw((u16)(CONFIG_DATA + (off & 2)), v);
	hal_irq_restore(flags);
}

bool pci_bar(const struct pci_device *d, unsigned n, struct pci_bar *out)
{
	unsigned off = 0x10 + n * 4;
	u16 command = pci_read16(d, PCI_COMMAND);
	u32 lo = pci_read32(d, off), mask;

	pci_write16(d, PCI_COMMAND, (u16)(command & ~(PCI_COMMAND_PORTS | PCI_COMMAND_MEMORY)));
	pci_write32(d, off, U32_MAX);
	mask = pci_read32(d, off);
	pci_write32(d, off, lo);
	pci_write16(d, PCI_COMMAND, command);
	out->is_port = lo & 1;
	if (out->is_port) {
		out->start = lo & 0xfffc;
		mask = (mask & ~3u) | 0xffff0000u;
	} else {
		out->start = lo & ~15u;
		if ((lo & 6) == 4 && n < 5)
			out->start |= (paddr_t)pci_read32(d, off + 4) << 32;
		mask &= ~15u;
	}
	out->size = ~mask + 1;
	return mask && out->start;
}

void pci_enable(const struct pci_device *d)
{
	u16 command = pci_read16(d, PCI_COMMAND);

	command = (u16)((command | PCI_COMMAND_PORTS | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER) & ~PCI_COMMAND_NO_INTX);
	pci_write16(d, PCI_COMMAND, command);
}

unsigned pci_capability(const struct pci_device *d, u8 id, unsigned after)
{
	unsigned at;

	if (!(pci_read16(d, 0x06) & 0x10))
		return 0;
	at = pci_read8(d, after ? after + 1 : PCI_CAP_POINTER) & 0xfcu;
	/* A list that leads in a circle ends after as many steps as fit the space. */
	for (int i = 0; at && i < 48; i++) {
		if (pci_read8(d, at) == id)
			return at;
		at = pci_read8(d, at + 1) & 0xfcu;
	}
	return 0;
}

/* ---------------------------------------------------------------- enumeration */
/* Called for each function that is there, in order of bus numbers but for what bridges lead to, which follows its bridge. */
typedef void pci_visit(const struct pci_device *d, void *arg);

static void bus_scan(u8 bus, u8 depth, pci_visit *visit, void *arg);

static void function_scan(u8 bus, u8 slot, u8 function, u8 depth, pci_visit *visit, void *arg)
{
	struct pci_device d = { .bus = bus, .slot = slot, .function = function };
	u32 id = pci_read32(&d, 0), class;

	if ((id & 0xffff) == 0xffff || !id)
		return;
	class = pci_read32(&d, 0x08);
	d.vendor = (u16)id;
	d.device = (u16)(id >> 16);
	d.class = (u8)(class >> 24);
	d.subclass = (u8)(class >> 16);
	d.prog_if = (u8)(class >> 8);
	d.irq = pci_read8(&d, 0x3c);
	visit(&d, arg);
	if (d.class == 6 && d.subclass == 4 && depth < 8) {
		u8 secondary = pci_read8(&d, 0x19);

		if (secondary > bus)
			bus_scan(secondary, (u8)(depth + 1), visit, arg);
	}
}

static void bus_scan(u8 bus, u8 depth, pci_visit *visit, void *arg)
{
	for (u8 slot = 0; slot < 32; slot++) {
		struct pci_device d = { .bus = bus, .slot = slot };

		if (pci_read16(&d, 0) == 0xffff)
			continue;
		function_scan(bus, slot, 0, depth, visit, arg);
		if (pci_read8(&d, 0x0e) & 0x80)
			for (u8 f = 1; f < 8; f++)
				function_scan(bus, slot, f, depth, visit, arg);
	}
}

static bool (*const drivers[])(const struct pci_device *d) = { ide_probe, virtio_blk_probe };

static void offer(const struct pci_device *d, void *arg)
{
	(void)arg;
	klog_debug("pci %02x:%02x.%x %04x:%04x class %02x%02x", d->bus, d->slot, d->function, d->vendor, d->device, d->class, d->subclass);
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (drivers[i](d))
			return;
}

void x86_pci_probe(void)
{
	bus_scan(0, 0, offer, NULL);
}

/* ---------------------------------------------------------------- for user space */
struct pci_next {
	int after, best;
};

static void consider(const struct pci_device *d, void *arg)
{
	struct pci_next *next = arg;
	int n = d->bus << 8 | d->slot << 3 | d->function;

	if (n > next->after && (next->best < 0 || n < next->best))
		next->best = n;
}

int hal_pci_next(int after)
{
	struct pci_next next = { .after = after, .best = -1 };

	bus_scan(0, 0, consider, &next);
	return next.best;
}

u32 hal_pci_config(unsigned function, unsigned offset)
{
	struct pci_device d = { .bus = (u8)(function >> 8), .slot = function >> 3 & 31, .function = function & 7 };

	return pci_read32(&d, offset);
}
