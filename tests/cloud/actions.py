"""The Redis product behind the gateway: instances, backup tasks, backups, and the five actions on them.

Time is an argument (`Moment`); nothing happens by itself. A task is *preparing* for a tenth of its life, then *running*,
then *succeed*, *failed* or *error*; its instance is locked until it ends. A backup is in progress (status 1) while its
task runs, then complete (2), and gone where the task failed; its start is the end of the preparations, so it may be
seconds after the task's.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl

SECOND = 10**9
DAY = 86400 * SECOND
ZONE = timezone(timedelta(hours=8))          # the stamps carry no zone and mean this one
INSTANCE_ID = re.compile(r"crs-[a-z0-9]{8}")
REGION = re.compile(r"[a-z]{2,4}(-[a-z0-9]+){1,4}")
FIRST_TASK = 6954227
MANUAL_BACKUP = "012"
DEFAULT_STORAGE_DAYS = 7
STATE_ERRORS = {                             # DescribeInstances' Status -> the code with which a backup is refused
    0: "ResourceUnavailable.InstanceStatusAbnormal",
    1: "ResourceUnavailable.InstanceLockedError",
    -2: "ResourceUnavailable.InstanceStateError",
    -3: "ResourceUnavailable.InstanceDeleted",
}
MESSAGES = {
    "ResourceUnavailable.InstanceLockedError": "The instance is locked by another flow.",
    "ResourceUnavailable.InstanceStateError": "The status of the instance does not allow this operation.",
    "ResourceUnavailable.InstanceStatusAbnormal": "The status of the instance is abnormal.",
    "ResourceUnavailable.InstanceDeleted": "The instance has been deleted.",
    "ResourceNotFound.InstanceNotExists": "The instance does not exist.",
    "UnauthorizedOperation.NoCAMAuthed": "You are not authorized to perform this operation.",
    "InternalError.InternalError": "An internal error occurred.",
    "FailedOperation.SystemError": "An internal system error occurred.",
    "FailedOperation.CommitFlowError": "The flow could not be committed.",
    "InvalidParameter.PermissionDenied": "The interface permission is denied.",
    "ServiceUnavailable": "The service is temporarily unavailable.",
}


class ApiError(Exception):
    """An answer with Response.Error."""

    def __init__(self, code, message=None):
        super().__init__(code)
        self.code = code
        self.message = message if message is not None else MESSAGES.get(code, "The operation failed.")


@dataclass(frozen=True)
class Moment:
    """An instant of the cloud: the monotonic clock for durations, its own (maybe skewed) wall clock for stamps."""

    mono_ns: int
    wall_ns: int


@dataclass
class Instance:
    id: str
    region: str
    name: str = ""
    status: int = 2
    tags: dict = field(default_factory=dict)
    error: str = None            # a code that refuses every backup of this instance
    task: "Task" = None          # its latest task


@dataclass
class Task:
    id: int
    instance: Instance
    started: Moment
    duration_ns: int
    end: str                     # succeed, failed, error, or None: it never ends
    message: str
    remark: str
    storage_days: int
    spelled: object              # its id as the wire shows it

    def status(self, now):
        elapsed = now.mono_ns - self.started.mono_ns
        if elapsed < self.duration_ns // 10:
            return "preparing"
        if self.end is None or elapsed < self.duration_ns:
            return "running"
        return self.end

    def ended(self, now):
        return self.status(now) not in ("preparing", "running")

    def progress(self, now):
        if self.ended(now):
            return 100
        return min(99, 100 * (now.mono_ns - self.started.mono_ns) // max(1, self.duration_ns))

    @property
    def backup_wall_ns(self):
        """Its backup begins when the preparations are over, and is stamped with that."""
        return self.started.wall_ns + self.duration_ns // 10

    @property
    def end_wall_ns(self):
        return self.started.wall_ns + self.duration_ns


def stamp(wall_ns):
    return datetime.fromtimestamp(wall_ns // SECOND, ZONE).strftime("%Y-%m-%d %H:%M:%S")


# ---- parameters ------------------------------------------------------------------------------------------------------

STRING, INTEGER, STRINGS, INTEGERS, TAGS = "string", "integer", "list of strings", "list of integers", "list of tags"


def _is_integer(value):
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def _is_tag(value):
    return isinstance(value, dict) and set(value) <= {"TagKey", "TagValue"} and all(isinstance(v, str) for v in value.values())


_TYPES = {
    STRING: lambda value: isinstance(value, str),
    INTEGER: _is_integer,
    STRINGS: lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    INTEGERS: lambda value: isinstance(value, list) and all(_is_integer(item) for item in value),
    TAGS: lambda value: isinstance(value, list) and all(_is_tag(item) for item in value),
}


@dataclass(frozen=True)
class Action:
    """One action: its handler's name and its parameters."""

    handler: str
    parameters: dict
    required: tuple = ()


ACTIONS = {
    "ManualBackupInstance": Action("manual_backup", {"InstanceId": STRING, "Remark": STRING, "StorageDays": INTEGER}, ("InstanceId",)),
    "DescribeTaskInfo": Action("task_info", {"TaskId": INTEGER}, ("TaskId",)),
    "DescribeTaskList": Action("task_list", {
        "InstanceId": STRING, "Limit": INTEGER, "Offset": INTEGER, "TaskTypes": STRINGS, "BeginTime": STRING, "EndTime": STRING,
        "Result": INTEGERS}),
    "DescribeInstanceBackups": Action("instance_backups", {
        "InstanceId": STRING, "Limit": INTEGER, "Offset": INTEGER, "BeginTime": STRING, "EndTime": STRING, "Status": INTEGERS}),
    "DescribeInstances": Action("instance_list", {
        "Limit": INTEGER, "Offset": INTEGER, "InstanceId": STRING, "InstanceIds": STRINGS, "InstanceTags": TAGS,
        "TagKeys": STRINGS, "Status": INTEGERS}),
}


def _reject_repeated(pairs):
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a key is repeated")
    return names


def _reject_constant(name):
    raise ValueError(f"{name} is no JSON")


def parameters_of_body(body):
    """The parameters of a POST."""
    try:
        parameters = json.loads(body.decode("utf-8"), object_pairs_hook=_reject_repeated, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise ApiError("InvalidParameter", "The request body is not valid JSON in UTF-8.") from None
    if not isinstance(parameters, dict):
        raise ApiError("InvalidParameter", "The request body must be a JSON object.")
    return parameters


def parameters_of_query(query, action):
    """The parameters of a GET: numbers by their type, lists as Name.0, Name.1, objects as Name.0.Key."""
    parameters, lists = {}, {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        name, *rest = key.split(".")
        kind = action.parameters.get(name)
        value = int(text) if kind in (INTEGER, INTEGERS) and re.fullmatch(r"-?[0-9]{1,18}", text) else text
        if not rest:
            parameters[name] = value
        elif not rest[0].isdecimal() or len(rest) > 2:
            raise ApiError("InvalidParameter", f"The parameter `{key}` is not valid.")
        elif len(rest) == 1:
            lists.setdefault(name, {})[int(rest[0])] = value
        else:
            lists.setdefault(name, {}).setdefault(int(rest[0]), {})[rest[1]] = value
    for name, items in lists.items():
        parameters[name] = [items[index] for index in sorted(items)]
    return parameters


def check_parameters(action, parameters):
    for name in parameters:
        if name not in action.parameters:
            raise ApiError("UnknownParameter", f"The parameter `{name}` is not recognized.")
    for name in action.required:
        if name not in parameters:
            raise ApiError("MissingParameter", f"The request is missing a required parameter `{name}`.")
    for name, value in parameters.items():
        if not _TYPES[action.parameters[name]](value):
            raise ApiError("InvalidParameter", f"The value type of parameter `{name}` is not valid: {action.parameters[name]} expected.")


def _wrong(name, why):
    return ApiError("InvalidParameterValue", f"The value of parameter `{name}` is not valid: {why}.")


def _page(parameters, most):
    limit, offset = parameters.get("Limit", 20), parameters.get("Offset", 0)
    if not 1 <= limit <= most:
        raise _wrong("Limit", f"from 1 to {most}")
    if offset < 0 or offset % limit:
        raise _wrong("Offset", "a multiple of Limit")
    return slice(offset, offset + limit)


def _time(parameters, name):
    """A time parameter in nanoseconds of the wall clock, or None."""
    text = parameters.get(name)
    if text is None:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text):
            raise ValueError(text)
        return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE).timestamp()) * SECOND
    except ValueError:
        raise _wrong(name, "YYYY-MM-DD hh:mm:ss") from None


def _between(parameters):
    begin, end = _time(parameters, "BeginTime"), _time(parameters, "EndTime")
    if begin is not None and end is not None and begin > end:
        raise _wrong("EndTime", "not before BeginTime")
    if begin is not None and end is not None and end - begin > 30 * DAY:
        raise _wrong("EndTime", "at most 30 days after BeginTime")
    return begin, end


# ---- the product -----------------------------------------------------------------------------------------------------


class Cloud:
    """All state of the account.

    `any_instance`: a well-formed id exists from its first mention on, in the region of that mention.
    `task_id_as`: number, string, or alternate (every second task).
    """

    def __init__(self, regions=("ap-guangzhou",), instances=(), any_instance=False, task_time_ns=2 * SECOND,
                 task_id_as="alternate", first_task=FIRST_TASK):
        self.home = regions[0]
        self._regions = set(regions) | {instance.region for instance in instances}
        self._any = any_instance
        self._given = list(instances)
        self._task_time_ns = task_time_ns
        self._task_id_as = task_id_as
        self._first_task = first_task
        self.reset()

    def reset(self):
        """Back to the first day: no task, no backup."""
        self._instances = {instance.id: instance for instance in self._given}
        for instance in self._given:
            instance.task = None
        self._tasks = {}

    def knows_region(self, region):
        return bool(REGION.fullmatch(region)) and (self._any or region in self._regions)

    def perform(self, name, parameters, region, now, effect):
        """Check and perform an action; return the fields of its reply. `effect` may decide a task's fate."""
        action = ACTIONS[name]
        check_parameters(action, parameters)
        return getattr(self, "_" + action.handler)(parameters, region, now, effect.do)

    def instance_of_task(self, number):
        """The id of a task's instance, None where there is no such task."""
        task = self._tasks.get(number) if isinstance(number, int) else None
        return task.instance.id if task else None

    def _find(self, text, region):
        if not INSTANCE_ID.fullmatch(text):
            raise ApiError("InvalidParameter.InvalidParameter", f"The instance id `{text[:64]}` is not well formed.")
        instance = self._instances.get(text)
        if instance is None and self._any:
            instance = self._instances[text] = Instance(text, region, text)
        if instance is None or instance.region != region:
            raise ApiError("ResourceNotFound.InstanceNotExists")
        return instance

    def _manual_backup(self, parameters, region, now, do):
        storage_days = parameters.get("StorageDays", 0)
        if not 0 <= storage_days <= 1825:
            raise _wrong("StorageDays", "from 0 to 1825")
        instance = self._find(parameters["InstanceId"], region)
        if instance.error:
            raise ApiError(instance.error)
        if instance.status in STATE_ERRORS:
            raise ApiError(STATE_ERRORS[instance.status])
        if instance.task and not instance.task.ended(now):
            raise ApiError("ResourceUnavailable.InstanceLockedError")
        number = self._first_task + len(self._tasks)
        as_string = self._task_id_as == "string" or (self._task_id_as == "alternate" and len(self._tasks) % 2)
        end = {"fail": "failed", "error": "error", "stuck": None}[do["task"]] if "task" in do else "succeed"
        message = do.get("task_message", "" if end in ("succeed", None) else "The backup failed on the node.")
        task = Task(number, instance, now, do.get("task_time", self._task_time_ns), end, message,
                    parameters.get("Remark", ""), storage_days or DEFAULT_STORAGE_DAYS, str(number) if as_string else number)
        instance.task = self._tasks[number] = task
        return {"TaskId": task.spelled}

    def _task_info(self, parameters, region, now, _do):
        task = self._tasks.get(parameters["TaskId"])
        if task is None or task.instance.region != region:
            raise ApiError("InvalidParameter.InvalidParameter", "The task does not exist.")
        status = task.status(now)
        return {
            "Status": status,
            "StartTime": stamp(task.started.wall_ns),
            "TaskType": "手动备份实例",
            "InstanceId": task.instance.id,
            "TaskMessage": task.message if status in ("failed", "error") else "",
        }

    def _task_list(self, parameters, region, now, _do):
        page = _page(parameters, 100)
        begin, end = _between(parameters)
        wanted = parameters.get("Result")
        if wanted and not set(wanted) <= {0, 1, 2, 4}:
            raise _wrong("Result", "0, 1, 2 or 4")
        kinds = parameters.get("TaskTypes")
        oldest = max(begin or 0, now.wall_ns - 30 * DAY)
        results = {"preparing": 0, "running": 1, "succeed": 2, "failed": 4, "error": 4}
        found = []
        for task in self._tasks_of(parameters, region):
            result = results[task.status(now)]
            if task.started.wall_ns // SECOND * SECOND < oldest or (end is not None and task.started.wall_ns // SECOND * SECOND > end):
                continue
            if (wanted and result not in wanted) or (kinds and MANUAL_BACKUP not in kinds):
                continue
            found.append({
                "TaskId": task.spelled,
                "StartTime": stamp(task.started.wall_ns),
                "EndTime": stamp(task.end_wall_ns) if task.ended(now) else "",
                "TaskType": MANUAL_BACKUP,
                "InstanceId": task.instance.id,
                "InstanceName": task.instance.name,
                "Progress": task.progress(now),
                "Result": result,
            })
        return {"TotalCount": len(found), "Tasks": found[page]}

    def _instance_backups(self, parameters, region, now, _do):
        page = _page(parameters, 100)
        begin, end = _between(parameters)
        wanted = parameters.get("Status") or [2]
        if not set(wanted) <= {-1, 1, 2, 3, 4}:
            raise _wrong("Status", "-1, 1, 2, 3 or 4")
        found = []
        for task in self._tasks_of(parameters, region):
            started = task.backup_wall_ns // SECOND * SECOND
            if (begin is not None and started < begin) or (end is not None and started > end):
                continue
            expires = task.end_wall_ns + task.storage_days * DAY
            status = task.status(now)
            if status in ("failed", "error"):
                continue
            state = 1 if status != "succeed" else -1 if now.wall_ns >= expires else 2
            if state in wanted:
                found.append(self._backup(task, state, expires))
        return {"TotalCount": len(found), "BackupSet": found[page]}

    @staticmethod
    def _backup(task, state, expires):
        return {
            "StartTime": stamp(task.backup_wall_ns),
            "EndTime": stamp(task.end_wall_ns) if state != 1 else "",
            "ExpireTime": stamp(expires),
            "BackupId": f"641{task.id}-{task.id + 1408687}-{task.backup_wall_ns // SECOND}",
            "BackupType": "0",
            "Status": state,
            "Remark": task.remark,
            "Locked": 1 if state == 1 else 0,
            "InstanceId": task.instance.id,
            "InstanceName": task.instance.name,
            "Region": task.instance.region,
            "FileType": "RDB-Redis 5.0",
            "Encrypted": False,
        }

    def _tasks_of(self, parameters, region):
        """The tasks of the asked instance, or of the whole region; the newest first."""
        if "InstanceId" in parameters:
            instance = self._find(parameters["InstanceId"], region)
            return [task for task in reversed(self._tasks.values()) if task.instance is instance]
        return [task for task in reversed(self._tasks.values()) if task.instance.region == region]

    def _instance_list(self, parameters, region, now, _do):
        page = _page(parameters, 1000)
        ids = parameters.get("InstanceIds") or ([parameters["InstanceId"]] if "InstanceId" in parameters else None)
        if ids is not None and self._any:
            for text in ids:
                if INSTANCE_ID.fullmatch(text) and text not in self._instances:
                    self._find(text, region)
        tags, keys, states = (parameters.get(name) for name in ("InstanceTags", "TagKeys", "Status"))
        found = []
        for instance in self._instances.values():
            locked = instance.status == 2 and instance.task is not None and not instance.task.ended(now)
            status = 1 if locked else instance.status
            if instance.region != region or (ids is not None and instance.id not in ids):
                continue
            if (states and status not in states) or (keys and not set(keys) <= set(instance.tags)):
                continue
            if tags and not all(instance.tags.get(tag.get("TagKey")) == tag.get("TagValue") for tag in tags):
                continue
            found.append({
                "InstanceId": instance.id,
                "InstanceName": instance.name or instance.id,
                "Status": status,
                "Region": instance.region,
                "InstanceTags": [{"TagKey": key, "TagValue": value} for key, value in sorted(instance.tags.items())],
            })
        return {"TotalCount": len(found), "InstanceSet": found[page]}


def read_instances(path, region):
    """The instances of a file: JSON (a list of ids or of objects with id, region, name, status, tags, error), or plain
    text with one `id` or `id@region` a line."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.lstrip()[:1] == "[":
        return [instance_of(entry, region) for entry in json.loads(text)]
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [instance_of(line, region) for line in lines if line]


def instance_of(entry, region):
    """An instance of `id`, `id@region`, or an object; ValueError where it is none."""
    if isinstance(entry, str):
        name, _, place = entry.partition("@")
        entry = {"id": name, "region": place or region}
    if not isinstance(entry, dict) or set(entry) - {"id", "region", "name", "status", "tags", "error"}:
        raise ValueError(f"not an instance: {entry!r}")
    instance = Instance(**{"region": region, **entry})
    if not INSTANCE_ID.fullmatch(instance.id) or not REGION.fullmatch(instance.region):
        raise ValueError(f"not an instance: {entry!r}")
    return instance
