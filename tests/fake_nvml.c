// A stand-in for NVIDIA's management library: replays the states in the file that FAKE_NVML names.
// One state a line, of words "sensor=value"; what a line leaves out stays as it was. Each reading of the SM clock of the
// first GPU goes on to the next line, the last one stays; of two words for one sensor the later one counts. "!15" instead of
// a value answers with that error; "hang" never returns. What no line has named is not supported. "processes=12,34": those
// that compute, or "none". "init=!18" answers the first call of all. "count=2": GPUs, on the buses 01, 02 …; "2.power=70000" is said of the
// second one only. "name=NVIDIA_H200": an underscore is a space. "event=79": an XID, told once for each line that says it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define INSUFFICIENT_SIZE 7
#define TIMEOUT 10
#define LINES 4096

typedef void* gpu_t;
typedef unsigned u32;
typedef unsigned long long u64;
typedef struct { u32 pid; u64 memory; u32 instance, compute; } process_t;
typedef struct { u32 gpu, memory; } utilisation_t;
typedef struct { char legacy[16]; u32 domain, bus, device, number, subsystem; char id[32]; } pci_t;
typedef struct { u64 total, free, used; } memory_t;
typedef struct { u32 max, high, partial, low, none; } histogram_t;
typedef struct { gpu_t gpu; u64 kind, data; u32 instance, compute; } event_t;

static char* lines[LINES];
static int count, now = -1, told = -1;
static int device = 1;  // whom the present call asks, from 1

#define OF(gpu) (device = (int)(long)(gpu))

static void load(void) {
  if (count) return;
  const char* name = getenv("FAKE_NVML");
  FILE* file = name ? fopen(name, "r") : NULL;
  char line[1024];
  while (file && count < LINES && fgets(line, sizeof line, file)) lines[count++] = strdup(line);
  if (file) fclose(file);
}

// The newest value of a word up to the present line.
static const char* newest(const char* word, char* value) {
  for (int at = now < 0 ? 0 : now; at >= 0 && at < count; --at) {
    char line[1032];
    snprintf(line, sizeof line, " %s", lines[at]);
    const char* found = NULL;
    for (const char* next = strstr(line, word); next; next = strstr(next + 1, word)) found = next;
    if (found && sscanf(found + strlen(word), "%200s", value) == 1) return value;
  }
  return NULL;
}

// What is said of the present GPU, else of all.
static const char* said(const char* sensor, char* value) {
  char word[64];
  snprintf(word, sizeof word, " %d.%s=", device, sensor);
  if (newest(word, value)) return value;
  snprintf(word, sizeof word, " %s=", sensor);
  return newest(word, value);
}

static int number(const char* sensor, u64* value) {
  char text[256];
  if (!said(sensor, text)) return NOT_SUPPORTED;
  while (!strcmp(text, "hang")) pause();
  if (text[0] == '!') return atoi(text + 1);
  *value = strtoull(text, NULL, 0);
  return 0;
}

static int small(const char* sensor, u32* value) {
  u64 wide = 0;
  int status = number(sensor, &wide);
  if (!status) *value = (u32)wide;
  return status;
}

static int words(const char* sensor, char* text, u32 length) {
  char value[256];
  if (!said(sensor, value)) return NOT_SUPPORTED;
  while (!strcmp(value, "hang")) pause();
  if (value[0] == '!') return atoi(value + 1);
  for (char* at = value; *at; ++at) *at = *at == '_' ? ' ' : *at;
  snprintf(text, length, "%s", value);
  return 0;
}

static int both(const char* sensor, u32* current, u32* pending) {
  int status = small(sensor, current);
  *pending = *current;
  return status;
}

static u32 gpus(void) { u64 some = 1; return number("count", &some) ? 1 : (u32)some; }

int nvmlInitWithFlags(u32 flags) { u64 none; load(); int status = number("init", &none); return status == NOT_SUPPORTED ? 0 : status; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return 0; }
const char* nvmlErrorString(int status) { return status == 15 ? "GPU is lost" : status == 18 ? "Driver/library version mismatch" : "an error"; }
int nvmlSystemGetDriverVersion(char* text, u32 length) { device = 1; return words("driver", text, length); }
int nvmlSystemGetNVMLVersion(char* text, u32 length) { device = 1; return words("nvml", text, length); }
int nvmlSystemGetCudaDriverVersion_v2(u32* value) { device = 1; return small("cuda", value); }
int nvmlDeviceGetCount_v2(u32* value) { device = 1; *value = gpus(); return 0; }
int nvmlDeviceGetHandleByIndex_v2(u32 index, gpu_t* gpu) {
  u64 none = 0;
  if (index >= gpus()) return NOT_FOUND;
  OF(*gpu = (gpu_t)(long)(index + 1));
  int status = number("handle", &none);
  return status == NOT_SUPPORTED ? 0 : status;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* bus, gpu_t* gpu) {
  char* end = NULL;
  device = 1;
  unsigned long number = strncmp(bus, "00000000:", 9) ? 0 : strtoul(bus + 9, &end, 16);
  *gpu = (gpu_t)number;
  return number >= 1 && number <= gpus() && *end == ':' ? 0 : NOT_FOUND;
}
int nvmlDeviceGetName(gpu_t gpu, char* text, u32 length) { OF(gpu); return words("name", text, length); }
int nvmlDeviceGetUUID(gpu_t gpu, char* text, u32 length) { OF(gpu); return words("uuid", text, length); }
int nvmlDeviceGetVbiosVersion(gpu_t gpu, char* text, u32 length) { OF(gpu); return words("vbios", text, length); }
int nvmlDeviceGetPciInfo_v3(gpu_t gpu, pci_t* pci) {
  u64 known = 0;
  OF(gpu);
  memset(pci, 0, sizeof *pci);
  int status = number("pci", &known);
  if (status && status != NOT_SUPPORTED) return status;
  pci->bus = (u32)device;
  pci->number = (u32)known << 16 | 0x10de;
  snprintf(pci->id, sizeof pci->id, "00000000:%02x:00.0", device);
  return 0;
}
int nvmlDeviceGetCudaComputeCapability(gpu_t gpu, int* major, int* minor) {
  u32 both = 0;
  OF(gpu);
  int status = small("capability", &both);
  *major = (int)both / 10, *minor = (int)both % 10;
  return status;
}
int nvmlDeviceGetMemoryInfo(gpu_t gpu, memory_t* memory) { OF(gpu); memory->used = memory->free = 0; return number("total", &memory->total); }
int nvmlDeviceGetEccMode(gpu_t gpu, u32* current, u32* pending) { OF(gpu); return both("ecc", current, pending); }
int nvmlDeviceGetMigMode(gpu_t gpu, u32* current, u32* pending) { OF(gpu); return both("mig", current, pending); }
int nvmlDeviceGetVirtualizationMode(gpu_t gpu, u64* value) { OF(gpu); return number("virtualisation", value); }
int nvmlDeviceGetRowRemapperHistogram(gpu_t gpu, histogram_t* banks) { OF(gpu); memset(banks, 0, sizeof *banks); return small("exhausted", &banks->none); }
int nvmlDeviceGetClockInfo(gpu_t gpu, u32 kind, u32* value) {
  OF(gpu);
  if (kind == 1 && device == 1 && now < count - 1) ++now;
  return small(kind == 1 ? "sm" : "memory", value);
}
int nvmlDeviceGetMaxClockInfo(gpu_t gpu, u32 kind, u32* value) { OF(gpu); return small(kind == 1 ? "sm_max" : "memory_max", value); }
int nvmlDeviceGetPowerUsage(gpu_t gpu, u32* value) { OF(gpu); return small("power", value); }
int nvmlDeviceGetEnforcedPowerLimit(gpu_t gpu, u32* value) { OF(gpu); return small("limit", value); }
int nvmlDeviceGetPowerManagementDefaultLimit(gpu_t gpu, u32* value) { OF(gpu); return small("limit_default", value); }
int nvmlDeviceGetTemperature(gpu_t gpu, u32 kind, u32* value) { OF(gpu); return small("temperature", value); }
int nvmlDeviceGetCurrPcieLinkGeneration(gpu_t gpu, u32* value) { OF(gpu); return small("gen", value); }
int nvmlDeviceGetMaxPcieLinkGeneration(gpu_t gpu, u32* value) { OF(gpu); return small("gen_max", value); }
int nvmlDeviceGetCurrPcieLinkWidth(gpu_t gpu, u32* value) { OF(gpu); return small("width", value); }
int nvmlDeviceGetMaxPcieLinkWidth(gpu_t gpu, u32* value) { OF(gpu); return small("width_max", value); }
int nvmlDeviceGetCurrentClocksThrottleReasons(gpu_t gpu, u64* value) { OF(gpu); return number("throttle", value); }
int nvmlDeviceGetTotalEnergyConsumption(gpu_t gpu, u64* value) { OF(gpu); return number("energy", value); }
int nvmlDeviceGetUtilizationRates(gpu_t gpu, utilisation_t* value) { OF(gpu); return small("utilisation", &value->gpu); }
int nvmlDeviceGetPersistenceMode(gpu_t gpu, u32* value) { OF(gpu); return small("persistence", value); }
int nvmlDeviceGetTotalEccErrors(gpu_t gpu, u32 kind, u32 since, u64* value) { OF(gpu); return number(kind ? "uncorrected" : "corrected", value); }
int nvmlDeviceGetRemappedRows(gpu_t gpu, u32* corrected, u32* uncorrected, u32* pending, u32* failed) {
  OF(gpu);
  *corrected = *pending = *failed = 0;
  small("pending", pending);
  small("failed", failed);
  return small("remapped", uncorrected);
}
int nvmlDeviceGetRetiredPages(gpu_t gpu, u32 cause, u32* found, u64* pages) {
  u32 retired = 0;
  OF(gpu);
  int status = small("retired", &retired);
  if (status) return status;
  if (cause) retired = 0;
  for (u32 page = 0; pages && page < retired; ++page) pages[page] = page;
  *found = retired;
  return pages || !retired ? 0 : INSUFFICIENT_SIZE;
}
int nvmlDeviceGetNvLinkState(gpu_t gpu, u32 link, u32* active) { u64 links = 0; OF(gpu); int status = number("links", &links); *active = link < links; return status; }
int nvmlDeviceGetNvLinkErrorCounter(gpu_t gpu, u32 link, u32 kind, u64* value) { OF(gpu); return number("link_errors", value); }
int nvmlEventSetCreate(void** set) { u64 none = 0; *set = (void*)1; return number("event", &none); }
int nvmlDeviceRegisterEvents(gpu_t gpu, u64 kinds, void* set) { return 0; }
int nvmlEventSetWait_v2(void* set, event_t* event, u32 milliseconds) {
  u64 xid = 0;
  if (number("event", &xid) || !xid || told == now) return TIMEOUT;
  told = now;
  memset(event, 0, sizeof *event);
  event->kind = 8, event->data = xid;
  return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(gpu_t gpu, u32* found, process_t* processes) {
  char text[256];
  OF(gpu);
  if (!said("processes", text) || !strcmp(text, "none")) { *found = 0; return 0; }
  if (text[0] == '!') return atoi(text + 1);
  u32 filled = 0;
  for (char* word = strtok(text, ","); word; word = strtok(NULL, ","), ++filled)
    if (processes && filled < *found) processes[filled] = (process_t){(u32)atoi(word), 1 << 20, 0, 0};
  *found = filled;
  return processes ? 0 : INSUFFICIENT_SIZE;
}
