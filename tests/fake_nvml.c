// A stand-in for NVIDIA's management library: replays the states in the file that FAKE_NVML names.
// One state a line, of words "sensor=value"; what a line leaves out stays as it was. Each reading of the SM clock goes
// on to the next line, the last one stays; of two words for one sensor the later one counts. "!15" instead of a value answers with that error; "hang" never returns. What no
// line has named is not supported. "processes=12,34": those that compute. "init=!18" answers the first call of all.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_SUPPORTED 3
#define INSUFFICIENT_SIZE 7
#define LINES 4096

typedef void* gpu_t;
typedef unsigned u32;
typedef unsigned long long u64;
typedef struct { u32 pid; u64 memory; u32 instance, compute; } process_t;
typedef struct { u32 gpu, memory; } utilisation_t;

static char* lines[LINES];
static int count, now = -1;

static void load(void) {
  if (count) return;
  const char* name = getenv("FAKE_NVML");
  FILE* file = name ? fopen(name, "r") : NULL;
  char line[1024];
  while (file && count < LINES && fgets(line, sizeof line, file)) lines[count++] = strdup(line);
  if (file) fclose(file);
}

// The newest value of a sensor up to the present line.
static const char* said(const char* sensor, char* value) {
  char word[64];
  snprintf(word, sizeof word, " %s=", sensor);
  for (int at = now < 0 ? 0 : now; at >= 0 && at < count; --at) {
    char line[1032];
    snprintf(line, sizeof line, " %s", lines[at]);
    const char* found = NULL;
    for (const char* next = strstr(line, word); next; next = strstr(next + 1, word)) found = next;
    if (found && sscanf(found + strlen(word), "%200s", value) == 1) return value;
  }
  return NULL;
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

int nvmlInitWithFlags(u32 flags) { u64 none; load(); int status = number("init", &none); return status == NOT_SUPPORTED ? 0 : status; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return 0; }
const char* nvmlErrorString(int status) { return status == 15 ? "GPU is lost" : status == 18 ? "Driver/library version mismatch" : "an error"; }
int nvmlDeviceGetHandleByPciBusId_v2(const char* bus, gpu_t* gpu) { *gpu = (gpu_t)1; return strncmp(bus, "00000000:01:", 12) ? 6 : 0; }
int nvmlDeviceGetClockInfo(gpu_t gpu, u32 kind, u32* value) {
  if (kind == 1 && now < count - 1) ++now;
  return small(kind == 1 ? "sm" : "memory", value);
}
int nvmlDeviceGetMaxClockInfo(gpu_t gpu, u32 kind, u32* value) { return small(kind == 1 ? "sm_max" : "memory_max", value); }
int nvmlDeviceGetPowerUsage(gpu_t gpu, u32* value) { return small("power", value); }
int nvmlDeviceGetEnforcedPowerLimit(gpu_t gpu, u32* value) { return small("limit", value); }
int nvmlDeviceGetPowerManagementDefaultLimit(gpu_t gpu, u32* value) { return small("limit_default", value); }
int nvmlDeviceGetTemperature(gpu_t gpu, u32 kind, u32* value) { return small("temperature", value); }
int nvmlDeviceGetCurrPcieLinkGeneration(gpu_t gpu, u32* value) { return small("gen", value); }
int nvmlDeviceGetMaxPcieLinkGeneration(gpu_t gpu, u32* value) { return small("gen_max", value); }
int nvmlDeviceGetCurrPcieLinkWidth(gpu_t gpu, u32* value) { return small("width", value); }
int nvmlDeviceGetMaxPcieLinkWidth(gpu_t gpu, u32* value) { return small("width_max", value); }
int nvmlDeviceGetCurrentClocksThrottleReasons(gpu_t gpu, u64* value) { return number("throttle", value); }
int nvmlDeviceGetTotalEnergyConsumption(gpu_t gpu, u64* value) { return number("energy", value); }
int nvmlDeviceGetUtilizationRates(gpu_t gpu, utilisation_t* value) { return small("utilisation", &value->gpu); }
int nvmlDeviceGetPersistenceMode(gpu_t gpu, u32* value) { return small("persistence", value); }
int nvmlDeviceGetTotalEccErrors(gpu_t gpu, u32 kind, u32 since, u64* value) { return number(kind ? "uncorrected" : "corrected", value); }
int nvmlDeviceGetRemappedRows(gpu_t gpu, u32* corrected, u32* uncorrected, u32* pending, u32* failed) {
  *corrected = *pending = *failed = 0;
  return small("remapped", uncorrected);
}
int nvmlDeviceGetRetiredPages(gpu_t gpu, u32 cause, u32* found, u64* pages) {
  u32 retired = 0;
  int status = small("retired", &retired);
  if (status) return status;
  if (cause) retired = 0;
  for (u32 page = 0; pages && page < retired; ++page) pages[page] = page;
  *found = retired;
  return pages || !retired ? 0 : INSUFFICIENT_SIZE;
}
int nvmlDeviceGetNvLinkState(gpu_t gpu, u32 link, u32* active) { u64 links = 0; int status = number("links", &links); *active = link < links; return status; }
int nvmlDeviceGetNvLinkErrorCounter(gpu_t gpu, u32 link, u32 kind, u64* value) { return number("link_errors", value); }
int nvmlDeviceGetComputeRunningProcesses_v3(gpu_t gpu, u32* found, process_t* processes) {
  char text[256];
  if (!said("processes", text)) { *found = 0; return 0; }
  if (text[0] == '!') return atoi(text + 1);
  u32 filled = 0;
  for (char* word = strtok(text, ","); word; word = strtok(NULL, ","), ++filled)
    if (processes && filled < *found) processes[filled] = (process_t){(u32)atoi(word), 1 << 20, 0, 0};
  *found = filled;
  return processes ? 0 : INSUFFICIENT_SIZE;
}
