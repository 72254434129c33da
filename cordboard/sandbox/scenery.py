"""What a recording's PBX has beside the shipped configuration: things that offices have, and that
the demo does without, for fewer queues on its screens."""

from __future__ import annotations

MOBILE = "+79031112233"  # rings at the trunk
ROOM = "800"
GROUP = "600"
FORWARDED, FORWARDED_LATER, IMPATIENT = "610", "611", "612"
ENGLISH_QUEUE = "510"
PARKED_BRIEFLY = "730"

DIALPLAN = f"""
; ---- for recordings ------------------------------------------------------------------------

[cordboard-phones](+)
include => scenery

[cordboard-inbound](+)
include => scenery

[scenery]
exten => {ROOM},1,Answer()
 same => n,ConfBridge({ROOM})
 same => n,Hangup()

; A ring group without a queue.
exten => {GROUP},1,Dial(PJSIP/1007&PJSIP/1008,4)
 same => n,Hangup(${{HANGUPCAUSE}})

; Call forwarding by the PBX: at once, and when nobody answers.
exten => {FORWARDED},1,Dial(PJSIP/{MOBILE}@${{CB_TRUNK}},30)
 same => n,Hangup(${{HANGUPCAUSE}})
exten => {FORWARDED_LATER},1,Dial(PJSIP/1009,2)
 same => n,Dial(PJSIP/{MOBILE}@${{CB_TRUNK}},30)
 same => n,Hangup(${{HANGUPCAUSE}})
exten => {IMPATIENT},1,Dial(PJSIP/{MOBILE}@${{CB_TRUNK}},2)
 same => n,Hangup(${{HANGUPCAUSE}})

exten => {ENGLISH_QUEUE},1,Set(CB_QUEUE=support-en)
 same => n,Goto(cordboard-queue,s,1)

; *7 and a number: pick up the call that rings there.
exten => _*7XXXX,1,Pickup(${{EXTEN:2}}@cordboard-phones)
 same => n,Hangup()

; Somebody's desk, for Local channels that end at a phone.
[scenery-desk]
exten => _1XXX,1,Dial(PJSIP/${{EXTEN}},30)
 same => n,Hangup(${{HANGUPCAUSE}})

; Where 1 takes a caller who waits in the queue `keys`.
[scenery-keys]
exten => 1,1,Dial(PJSIP/1007,30)
 same => n,Hangup(${{HANGUPCAUSE}})
"""

QUEUES = """
; Not from the template: of two strategies the first one counts.
[group]
strategy = ringall
timeout = 15
retry = 2
ringinuse = no
musicclass = default
joinempty = unavailable,invalid,unknown
member => PJSIP/1007,0,Phone 1007,PJSIP/1007
member => PJSIP/1008,0,Phone 1008,PJSIP/1008
member => PJSIP/1009,0,Phone 1009,PJSIP/1009

[fragile](cordboard-queue)
leavewhenempty = unavailable,invalid,unknown
member => PJSIP/1007,0,Phone 1007,PJSIP/1007

[keys](cordboard-queue)
joinempty = yes
context = scenery-keys

[announced](cordboard-queue)
announce = queue-thereare
member => PJSIP/1007,0,Phone 1007,PJSIP/1007

[pipes](cordboard-queue)
member => Local/1007@scenery-desk,0,Phone 1007,PJSIP/1007

[pipes-kept](cordboard-queue)
member => Local/1007@scenery-desk/n,0,Phone 1007,PJSIP/1007
"""

PARKING = f"""
[brief]
parkext => {PARKED_BRIEFLY}
parkext_exclusive = yes
parkpos => 731-739
context => cordboard-parked
parkingtime => 3
comebacktoorigin = yes
parkedmusicclass = default
"""

CONFBRIDGE = """
[general]

[default_user]
type = user
quiet = yes
"""
