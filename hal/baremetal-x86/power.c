/* SPDX-License-Identifier: MIT */
/*
 * Off and reboot. Off: ACPI's S5 (ACPI 6.4, 4.8.3.2, 7.4.2): the FADT gives the control ports, the DSDT's \_S5 object the value to write; that
 * object is found by its name in the AML, which holds on every table whose S5 is a plain package. Reboot: ACPI's reset register, the keyboard
 * controller, a triple fault. Everything is looked up when needed: that happens once.
 */
#include <hal/memory.h>
#include <hal/platform.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <x86/x86.h>

struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem[6], oem_table[8];
	u32 oem_revision, creator, creator_revision;
} __packed;
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 6.4, 5.2.6");

/* Offsets in the FADT (5.2.9). */
enum { FADT_DSDT = 40, FADT_SMI_CMD = 48, FADT_ENABLE = 52, FADT_PM1A = 64, FADT_PM1B = 68, FADT_FLAGS = 112, FADT_RESET = 116, FADT_RESET_VALUE = 128 };
#define PM1_SCI_EN 1u
#define PM1_SLP_EN 0x2000u
#define FLAG_RESET_SUPPORTED (1u << 10)

static u32 get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool sum_ok(const u8 *p, size_t n)
{
	u8 sum = 0;

	while (n--)
		sum = (u8)(sum + *p++);
	return sum == 0;
}

static const u8 *rsdp_scan(paddr_t start, size_t size)
{
	const u8 *p = hal_phys_to_virt(start);

	for (size_t off = 0; off + 20 <= size; off += 16)
		if (!memcmp(p + off, "RSD PTR ", 8) && sum_ok(p + off, 20))
			return p + off;
	return NULL;
}

static const u8 *rsdp_find(void)
{
	u16 ebda;
	const u8 *p = NULL;

	if (x86_boot_rsdp)
		return hal_phys_to_virt(x86_boot_rsdp);
	memcpy(&ebda, hal_phys_to_virt(0x40e), sizeof(ebda));
	if (ebda >= 0x8000 && ebda < 0xa000)
		p = rsdp_scan((paddr_t)ebda << 4, 1024);
	return p ? p : rsdp_scan(0xe0000, 0x20000);
}

/* A whole table, mapped; NULL if it is not sound. */
static const u8 *table_map(paddr_t at)
{
	const struct acpi_header *h;
	void *va;
	u32 length;

	if (!at || hal_map_device(at, sizeof(*h), false, &va))
		return NULL;
	h = va;
	length = h->length;
	if (length < sizeof(*h) || length > 0x400000 || hal_map_device(at, length, false, &va))
		return NULL;
	return va;
}

static const u8 *fadt_find(void)
{
	const u8 *rsdp = rsdp_find(), *rsdt;

	if (!rsdp)
		return NULL;
	rsdt = table_map(get32(rsdp + 16));
	if (!rsdt)
		return NULL;
	for (u32 off = sizeof(struct acpi_header); off + 4 <= get32(rsdt + 4); off += 4) {
		const u8 *t = table_map(get32(rsdt + off));

		if (t && !memcmp(t, "FACP", 4) && get32(t + 4) >= FADT_FLAGS + 4)
			return t;
	}
	return NULL;
}

/* A small AML integer: ZeroOp, OneOp, or BytePrefix and a byte. Advances *p. */
static u32 aml_byte(const u8 **p)
{
	u8 op = *(*p)++;

	return op == 0x0a ? *(*p)++ : op;
}

/* SLP_TYPa and SLP_TYPb of S5. */
static bool s5_find(const u8 *dsdt, u32 *a, u32 *b)
{
	u32 length = get32(dsdt + 4);

	for (u32 off = sizeof(struct acpi_header); off + 12 < length; off++) {
		const u8 *p = dsdt + off;

		/* NameOp, perhaps a root character, the name, PackageOp. */
		if (memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12 || (p[-1] != 0x08 && !(p[-1] == '\\' && p[-2] == 0x08)))
			continue;
		p += 5;
		p += (*p >> 6) + 1; /* length */
		p++;		    /* how many elements */
		*a = aml_byte(&p);
		*b = aml_byte(&p);
		return true;
	}
	return false;
}

static void acpi_enable(const u8 *fadt, u16 pm1a)
{
	u16 smi = (u16)get32(fadt + FADT_SMI_CMD);

	if ((inw(pm1a) & PM1_SCI_EN) || !smi || !fadt[FADT_ENABLE])
		return;
	outb(smi, fadt[FADT_ENABLE]);
	for (int i = 0; i < 300 && !(inw(pm1a) & PM1_SCI_EN); i++)
		x86_delay_us(10000);
}

void hal_power_off(void)
{
	const u8 *fadt = fadt_find(), *dsdt = fadt ? table_map(get32(fadt + FADT_DSDT)) : NULL;
	u32 a, b;

	if (dsdt && s5_find(dsdt, &a, &b)) {
		u16 pm1a = (u16)get32(fadt + FADT_PM1A), pm1b = (u16)get32(fadt + FADT_PM1B);

		acpi_enable(fadt, pm1a);
		x86_cli();
		outw(pm1a, (u16)((inw(pm1a) & 0xc3ff) | a << 10 | PM1_SLP_EN));
		if (pm1b)
			outw(pm1b, (u16)((inw(pm1b) & 0xc3ff) | b << 10 | PM1_SLP_EN));
		x86_delay_us(1000000);
	}
	/* The ports of QEMU and Bochs, for a machine without tables. */
	outw(0x604, 0x2000);
	outw(0xb004, 0x2000);
	x86_delay_us(100000);
	klog_err("this machine cannot be switched off by software");
}

static void acpi_reset(void)
{
	const u8 *fadt = fadt_find();
	u32 address;

	/* A generic address (5.2.3.2): space 1 is ports. */
	if (!fadt || get32(fadt + 4) <= FADT_RESET_VALUE || !(get32(fadt + FADT_FLAGS) & FLAG_RESET_SUPPORTED) || fadt[FADT_RESET] != 1)
		return;
	address = get32(fadt + FADT_RESET + 4);
	outb((u16)address, fadt[FADT_RESET_VALUE]);
	x86_delay_us(100000);
}

void hal_reboot(void)
{
	struct {
		u16 limit;
		u32 base;
	} __packed none = { 0, 0 };

	x86_cli();
	acpi_reset();
	for (int i = 0; i < 100000 && (inb(0x64) & 2); i++)
		;
	outb(0x64, 0xfe);
	x86_delay_us(100000);
	__asm__ volatile("lidt %0; int3" ::"m"(none));
	hal_halt("no way to restart");
}

void hal_halt(const char *why)
{
	(void)why; /* the log has told it */
	for (;;)
		__asm__ volatile("cli; hlt");
}
