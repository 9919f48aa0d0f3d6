/* SPDX-License-Identifier: MIT */
/*
 * virtio block devices over PCI (virtio 1.1: 2.6 split queues, 4.1 PCI, 5.2 block), the modern interface where the device has it, else the
 * legacy one (4.1.4.8). One queue; as many requests in flight as its descriptors hold.
 *
 * A request is a chain: a header the device reads, the data, a byte of status that it writes. Header and status of the chain that begins with
 * descriptor i are slots[i]. Free descriptors are linked through their next field.
 *
 * Locking: vblk.lock (RANK_DRIVER, irqsave) for the queue; not held over request_end().
 */
#include <hal/memory.h>
#include <maestro/block.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/task.h>
#include <x86/pci.h>
#include <x86/x86.h>

#define VIRTIO_VENDOR 0x1AF4
#define DEVICE_TRANSITIONAL 0x1001
#define DEVICE_MODERN 0x1042
#define MAJOR 254u
#define MINORS 16u
#define QUEUE_MAX 256u
#define NONE 0xffffu

enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_FAILED = 128 };
enum { F_SEG_MAX = 2, F_RO = 5, F_BLK_SIZE = 6, F_FLUSH = 9, F_VERSION_1 = 32 };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8 };
enum { DESC_NEXT = 1, DESC_WRITE = 2 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };

struct vring_desc {
	u64 addr;
	u32 len;
	u16 flags, next;
};
struct vring_avail {
	u16 flags, idx, ring[];
};
struct vring_used {
	u16 flags, idx;
	struct {
		u32 id, len;
	} ring[];
};
_Static_assert(sizeof(struct vring_desc) == 16, "virtio 1.1, 2.6.5");
struct slot {
	struct {
		u32 type, reserved;
		u64 sector;
	} header;
	u8 status;
	u8 pad[15];
};
_Static_assert(sizeof(struct slot) == 32, "slots do not cross pages");

/* Offsets in the modern common configuration (4.1.4.3) and in the legacy ports (4.1.4.8). */
enum { COMMON_DEVICE_FEATURE_SELECT = 0, COMMON_DEVICE_FEATURE = 4, COMMON_DRIVER_FEATURE_SELECT = 8, COMMON_DRIVER_FEATURE = 12, COMMON_STATUS = 20,
       COMMON_QUEUE_SELECT = 22, COMMON_QUEUE_SIZE = 24, COMMON_QUEUE_ENABLE = 28, COMMON_QUEUE_NOTIFY_OFF = 30, COMMON_QUEUE_DESC = 32,
       COMMON_QUEUE_DRIVER = 40, COMMON_QUEUE_DEVICE = 48 };
enum { LEGACY_DEVICE_FEATURES = 0, LEGACY_DRIVER_FEATURES = 4, LEGACY_QUEUE_ADDRESS = 8, LEGACY_QUEUE_SIZE = 12, LEGACY_QUEUE_SELECT = 14,
       LEGACY_QUEUE_NOTIFY = 16, LEGACY_STATUS = 18, LEGACY_ISR = 19, LEGACY_CONFIG = 20 };
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4 };
/* The block device's configuration (5.2.4). */
enum { CONFIG_CAPACITY = 0, CONFIG_SEG_MAX = 12, CONFIG_BLK_SIZE = 20 };

struct vblk {
	/* [c] */
	struct disk disk;
	struct pci_device pci;
	bool modern;
	u16 ports;			      /* legacy */
	volatile u8 *common, *isr, *config;   /* modern */
	volatile u16 *notify;
	u64 features;
	unsigned size; /* descriptors */
	struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	struct slot *slots;
	paddr_t slots_pa;
	struct request **requests; /* [lock] by first descriptor */
	/* [lock] */
	struct spinlock lock;
	unsigned free_head, nfree;
	u16 avail_idx, used_idx;
};
static unsigned ndisks; /* probing is single-threaded */

/* --- registers --- */
#define MMIO8(p) (*(volatile u8 *)(p))
#define MMIO16(p) (*(volatile u16 *)(volatile void *)(p))
#define MMIO32(p) (*(volatile u32 *)(volatile void *)(p))

static void status_set(struct vblk *v, u8 status)
{
	if (v->modern)
		MMIO8(v->common + COMMON_STATUS) = status;
	else
		outb((u16)(v->ports + LEGACY_STATUS), status);
}

static u8 status_get(struct vblk *v)
{
	return v->modern ? MMIO8(v->common + COMMON_STATUS) : inb((u16)(v->ports + LEGACY_STATUS));
}

static u32 config_read32(struct vblk *v, unsigned off)
{
	return v->modern ? MMIO32(v->config + off) : inl((u16)(v->ports + LEGACY_CONFIG + off));
}

static u64 features_offered(struct vblk *v)
{
	u64 f;

	if (!v->modern)
		return inl((u16)(v->ports + LEGACY_DEVICE_FEATURES));
	MMIO32(v->common + COMMON_DEVICE_FEATURE_SELECT) = 0;
	f = MMIO32(v->common + COMMON_DEVICE_FEATURE);
	MMIO32(v->common + COMMON_DEVICE_FEATURE_SELECT) = 1;
	return f | (u64)MMIO32(v->common + COMMON_DEVICE_FEATURE) << 32;
}

static kerr_t features_choose(struct vblk *v)
{
	u64 wanted = 1u << F_SEG_MAX | 1u << F_RO | 1u << F_BLK_SIZE | 1u << F_FLUSH | (v->modern ? 1ull << F_VERSION_1 : 0);

	v->features = features_offered(v) & wanted;
	if (!v->modern) {
		outl((u16)(v->ports + LEGACY_DRIVER_FEATURES), (u32)v->features);
		return 0;
	}
	MMIO32(v->common + COMMON_DRIVER_FEATURE_SELECT) = 0;
	MMIO32(v->common + COMMON_DRIVER_FEATURE) = (u32)v->features;
	MMIO32(v->common + COMMON_DRIVER_FEATURE_SELECT) = 1;
	MMIO32(v->common + COMMON_DRIVER_FEATURE) = (u32)(v->features >> 32);
	status_set(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return status_get(v) & STATUS_FEATURES_OK ? 0 : KERR(ENODEV);
}

static kerr_t map_capability(struct vblk *v, unsigned cap, void **out)
{
	u8 bar_index = pci_read8(&v->pci, cap + 4);
	u32 offset = pci_read32(&v->pci, cap + 8), length = pci_read32(&v->pci, cap + 12);
	struct pci_bar bar;

	if (bar_index > 5 || !pci_bar(&v->pci, bar_index, &bar) || bar.is_port || offset > bar.size || length > bar.size - offset)
		return KERR(ENODEV);
	return hal_map_device(bar.start + offset, length, true, out);
}

/* Finds the structures that the vendor capabilities point to (4.1.4). False: a legacy device. */
static bool modern_find(struct vblk *v, u32 *notify_multiplier)
{
	void *found[5] = { NULL };
	unsigned cap = 0;

	while ((cap = pci_capability(&v->pci, PCI_CAP_VENDOR, cap))) {
		u8 type = pci_read8(&v->pci, cap + 3);

		if (type < CAP_COMMON || type > CAP_DEVICE || found[type])
			continue;
		if (map_capability(v, cap, &found[type]))
			return false;
		if (type == CAP_NOTIFY)
			*notify_multiplier = pci_read32(&v->pci, cap + 16);
	}
	v->common = found[CAP_COMMON];
	v->notify = found[CAP_NOTIFY];
	v->isr = found[CAP_ISR];
	v->config = found[CAP_DEVICE];
	return v->common && v->notify && v->isr && v->config;
}

/* --- the queue --- */
static void queue_write64(struct vblk *v, unsigned off, paddr_t pa)
{
	MMIO32(v->common + off) = (u32)pa;
	MMIO32(v->common + off + 4) = (u32)(pa >> 32);
}

static kerr_t queue_memory(struct vblk *v)
{
	size_t used_at = ALIGN_UP(sizeof(struct vring_desc) * v->size + 6 + 2 * v->size, PAGE_SIZE);
	size_t bytes = used_at + 6 + 8 * v->size;
	u8 *ring = kmalloc(ALIGN_UP(bytes, PAGE_SIZE), (enum gfp)(GFP_KERNEL | GFP_ZERO));

	v->slots = kmalloc(MAX(sizeof(struct slot) * v->size, PAGE_SIZE), (enum gfp)(GFP_KERNEL | GFP_ZERO));
	v->requests = kzalloc(sizeof(struct request *) * v->size, GFP_KERNEL);
	if (!ring || !v->slots || !v->requests) {
		kfree(ring);
		kfree(v->slots);
		kfree(v->requests);
		return KERR(ENOMEM);
	}
	v->slots_pa = hal_virt_to_phys(v->slots);
	v->desc = (struct vring_desc *)(void *)ring;
	v->avail = (struct vring_avail *)(void *)(ring + sizeof(struct vring_desc) * v->size);
	v->used = (struct vring_used *)(void *)(ring + used_at);
	for (unsigned i = 0; i < v->size; i++)
		v->desc[i].next = (u16)(i + 1 < v->size ? i + 1 : NONE);
	v->free_head = 0;
	v->nfree = v->size;
	return 0;
}

static kerr_t queue_init(struct vblk *v, u32 notify_multiplier)
{
	kerr_t err;

	if (v->modern) {
		MMIO16(v->common + COMMON_QUEUE_SELECT) = 0;
		v->size = MIN((unsigned)MMIO16(v->common + COMMON_QUEUE_SIZE), QUEUE_MAX);
		MMIO16(v->common + COMMON_QUEUE_SIZE) = (u16)v->size;
	} else {
		outw((u16)(v->ports + LEGACY_QUEUE_SELECT), 0);
		v->size = inw((u16)(v->ports + LEGACY_QUEUE_SIZE));
	}
	if (v->size < 4 || v->size > 4096)
		return KERR(ENODEV);
	err = queue_memory(v);
	if (err)
		return err;
	if (!v->modern) {
		outl((u16)(v->ports + LEGACY_QUEUE_ADDRESS), (u32)(hal_virt_to_phys(v->desc) >> PAGE_SHIFT));
		return 0;
	}
	queue_write64(v, COMMON_QUEUE_DESC, hal_virt_to_phys(v->desc));
	queue_write64(v, COMMON_QUEUE_DRIVER, hal_virt_to_phys((const void *)v->avail));
	queue_write64(v, COMMON_QUEUE_DEVICE, hal_virt_to_phys((const void *)v->used));
	v->notify = (volatile u16 *)(volatile void *)((volatile u8 *)v->notify + MMIO16(v->common + COMMON_QUEUE_NOTIFY_OFF) * notify_multiplier);
	MMIO16(v->common + COMMON_QUEUE_ENABLE) = 1;
	return 0;
}

static unsigned desc_take(struct vblk *v, paddr_t addr, u32 len, u16 flags)
{
	unsigned i = v->free_head;
	struct vring_desc *d = &v->desc[i];

	v->free_head = d->next;
	v->nfree--;
	d->addr = addr;
	d->len = len;
	d->flags = flags;
	return i;
}

static void chain_free(struct vblk *v, unsigned head)
{
	unsigned last = head;

	v->nfree++;
	while (v->desc[last].flags & DESC_NEXT) {
		last = v->desc[last].next;
		v->nfree++;
	}
	v->desc[last].next = (u16)v->free_head;
	v->free_head = head;
}

/* Hands the chain to the device, and tells it if it wants to be told. */
static void chain_publish(struct vblk *v, unsigned head)
{
	v->avail->ring[v->avail_idx & (v->size - 1)] = (u16)head;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	v->avail->idx = ++v->avail_idx;
	memory_barrier();
	if (v->used->flags & USED_NO_NOTIFY)
		return;
	if (v->modern)
		*v->notify = 0;
	else
		outw((u16)(v->ports + LEGACY_QUEUE_NOTIFY), 0);
}

static void chain_link(struct vblk *v, unsigned *last, unsigned next)
{
	v->desc[*last].flags |= DESC_NEXT;
	v->desc[*last].next = (u16)next;
	*last = next;
}

static kerr_t vblk_submit(struct disk *d, struct request *rq)
{
	struct vblk *v = d->driver;
	bool write = rq->op == BIO_WRITE;
	unsigned long flags;
	unsigned head, last;
	struct slot *s;
	struct bio *bio;

	flags = spin_lock_irqsave(&v->lock);
	if (v->nfree < rq->nsegs + 2) {
		spin_unlock_irqrestore(&v->lock, flags);
		return KERR(EBUSY);
	}
	head = last = v->free_head;
	s = &v->slots[head];
	s->header.type = rq->op == BIO_FLUSH ? T_FLUSH : write ? T_OUT : T_IN;
	s->header.sector = rq->op == BIO_FLUSH ? 0 : rq->sector;
	s->status = 0xff;
	(void)desc_take(v, v->slots_pa + head * sizeof(*s), sizeof(s->header), 0);
	list_for_each(bio, &rq->bios, node)
		for (unsigned i = 0; rq->op != BIO_FLUSH && i < bio->nvecs; i++) {
			const struct bio_vec *b = &bio->vecs[i];

			chain_link(v, &last, desc_take(v, page_to_phys(b->page) + b->off, b->len, write ? 0 : DESC_WRITE));
		}
	chain_link(v, &last, desc_take(v, v->slots_pa + head * sizeof(*s) + offsetof(struct slot, status), 1, DESC_WRITE));
	v->requests[head] = rq;
	chain_publish(v, head);
	spin_unlock_irqrestore(&v->lock, flags);
	return 0;
}

/* The next request the device finished, and its status. NULL: none. */
static struct request *completed_take(struct vblk *v, int *status)
{
	unsigned long flags = spin_lock_irqsave(&v->lock);
	struct request *rq = NULL;

	while (!rq && v->used->idx != v->used_idx) {
		u32 head;

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		head = v->used->ring[v->used_idx++ & (v->size - 1)].id;
		if (head >= v->size || !v->requests[head]) {
			klog_err("%s: the device finished what was not begun", v->disk.name);
			continue;
		}
		rq = v->requests[head];
		v->requests[head] = NULL;
		*status = v->slots[head].status == 0 ? 0 : v->slots[head].status == 2 ? -EOPNOTSUPP : -EIO;
		chain_free(v, head);
	}
	spin_unlock_irqrestore(&v->lock, flags);
	return rq;
}

static void vblk_interrupt(void *arg)
{
	struct vblk *v = arg;
	struct request *rq;
	int status = 0;
	u8 isr = v->modern ? MMIO8(v->isr) : inb((u16)(v->ports + LEGACY_ISR)); /* reading lowers the line */

	if (!isr)
		return;
	while ((rq = completed_take(v, &status)))
		request_end(rq, &v->disk, status);
}

static const struct disk_ops vblk_ops = { .submit = vblk_submit };

static void disk_fill(struct vblk *v)
{
	struct disk *d = &v->disk;
	u32 seg_max = v->features & (1u << F_SEG_MAX) ? config_read32(v, CONFIG_SEG_MAX) : 1;
	u32 block = v->features & (1u << F_BLK_SIZE) ? config_read32(v, CONFIG_BLK_SIZE) : SECTOR_SIZE;

	ksnprintf(d->name, sizeof(d->name), "vd%c", 'a' + (int)ndisks);
	d->major = MAJOR;
	d->first_minor = ndisks * MINORS;
	d->minors = MINORS;
	d->sectors = config_read32(v, CONFIG_CAPACITY) | (u64)config_read32(v, CONFIG_CAPACITY + 4) << 32;
	d->logical_block = block >= SECTOR_SIZE && block <= PAGE_SIZE && !(block & (block - 1)) ? block : SECTOR_SIZE;
	d->max_segs = MAX(1u, MIN(seg_max, v->size / 2 - 2));
	d->max_sectors = 2048;
	d->read_only = v->features & (1u << F_RO);
	d->has_flush = v->features & (1u << F_FLUSH);
	(void)strlcpy(d->model, "virtio", sizeof(d->model));
	d->ops = &vblk_ops;
	d->driver = v;
	d->queue_depth = v->size / 3;
}

static kerr_t vblk_start(struct vblk *v)
{
	u32 multiplier = 0;
	struct pci_bar bar;
	kerr_t err;

	pci_enable(&v->pci);
	v->modern = modern_find(v, &multiplier);
	if (!v->modern) {
		if (!pci_bar(&v->pci, 0, &bar) || !bar.is_port)
			return KERR(ENODEV);
		v->ports = (u16)bar.start;
	}
	status_set(v, 0);
	for (int i = 0; i < 1000 && status_get(v); i++)
		x86_delay_us(10);
	status_set(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	err = features_choose(v);
	if (err)
		return err;
	err = queue_init(v, multiplier);
	if (err)
		return err;
	disk_fill(v);
	err = x86_irq_register(v->pci.irq, vblk_interrupt, v);
	if (err)
		return err;
	status_set(v, (u8)(status_get(v) | STATUS_DRIVER_OK));
	return disk_register(&v->disk);
}

bool virtio_blk_probe(const struct pci_device *d)
{
	struct vblk *v;
	kerr_t err;

	if (d->vendor != VIRTIO_VENDOR || (d->device != DEVICE_TRANSITIONAL && d->device != DEVICE_MODERN))
		return false;
	if (ndisks >= 26)
		return true;
	v = kzalloc(sizeof(*v), GFP_KERNEL);
	if (!v) {
		klog_err("virtio disk at %02x:%02x.%x: no memory", d->bus, d->slot, d->function);
		return true;
	}
	v->pci = *d;
	spin_init(&v->lock, RANK_DRIVER, "virtio_blk");
	err = vblk_start(v);
	if (err) {
		/* What was mapped or allocated stays: the device may still know it. */
		if (v->modern || v->ports)
			status_set(v, STATUS_FAILED);
		klog_err("virtio disk at %02x:%02x.%x: error %d", d->bus, d->slot, d->function, -kerr_code(err));
		return true;
	}
	ndisks++;
	return true;
}
